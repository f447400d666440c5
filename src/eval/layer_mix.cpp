#include "eval/layer_mix.h"

#include <algorithm>
#include <array>

#include "core/matrix_plan.h"
#include "eval/random_matrices.h"
#include "kernels/input_form.h"

namespace trine::eval {
namespace {

constexpr int kMeanBits = 3;
constexpr std::size_t kMostLayerExperts = 1024;
constexpr std::size_t kMostExpertWeights = std::size_t{1} << 31;
constexpr std::size_t kMostBatch = 65536;

/// How two partners differ from the mean: one has less of the bits or the rank, the other more.
struct Difference {
  int bits;           ///< the first has so many less
  int rank_quarters;  ///< so many quarters of the mean rank less; negative: more
};

/// Each pair in turn: few bits with a high rank and with a low one, as plans have both; equal bits
/// with all of the ranks' range; equal ranks.
constexpr std::array kDifferences = {Difference{1, -4}, Difference{0, 4}, Difference{1, 2},
                                     Difference{0, -2}};

LayerExpert expert_of(const LayerBenchOptions& options, int bits, std::size_t rank) {
  return {bits, rank,
          2 * RandomMatrices::bytes_of_one(up_layout(options, bits), rank) +
              RandomMatrices::bytes_of_one(down_layout(options, bits), rank)};
}

Status check_at_least_one(std::size_t value, std::size_t most, std::string_view what) {
  if (value >= 1 && value <= most) return {};
  return fail(ErrorCode::kInvalidArgument, "{} is {}, expected 1 to {}", what, value, most);
}

Status check_shape(const LayerBenchOptions& options) {
  constexpr std::size_t kMostSide = std::size_t{1} << 20;
  TRINE_RETURN_IF_ERROR(check_at_least_one(options.hidden_size, kMostSide, "hidden size"));
  TRINE_RETURN_IF_ERROR(check_at_least_one(options.intermediate_size,
                                           kMostExpertWeights / options.hidden_size,
                                           "intermediate size"));
  TRINE_RETURN_IF_ERROR(check_at_least_one(options.num_experts, kMostLayerExperts, "experts"));
  TRINE_RETURN_IF_ERROR(
      check_at_least_one(options.experts_per_token, options.num_experts, "experts per token"));
  const std::size_t smaller = std::min(options.hidden_size, options.intermediate_size);
  if (options.rank % kRankStep != 0 || 2 * options.rank > smaller) {
    return fail(
        ErrorCode::kInvalidArgument,
        "rank is {}, expected 0 or a multiple of {} up to {}, half of the smaller side of "
        "the experts",
        options.rank, kRankStep, smaller / 2 / kRankStep * kRankStep);
  }
  return {};
}

}  // namespace

Status check_options(const LayerBenchOptions& options) {
  TRINE_RETURN_IF_ERROR(check_shape(options));
  if (!is_packable(kMeanBits, options.group_size)) {
    return fail(ErrorCode::kInvalidArgument, "group size is {}, expected 32, 64 or 128",
                options.group_size);
  }
  if (!is_metadata_width(options.metadata_bits)) {
    return fail(ErrorCode::kInvalidArgument, "metadata bits is {}, expected 16 or 8",
                options.metadata_bits);
  }
  TRINE_RETURN_IF_ERROR(kernels::input_form_named(options.activations));
  if (options.batches.empty()) {
    return fail(ErrorCode::kInvalidArgument, "batch is an empty list, expected at least one");
  }
  for (const std::size_t batch : options.batches) {
    TRINE_RETURN_IF_ERROR(check_at_least_one(batch, kMostBatch, "batch"));
  }
  return {};
}

PackedLayout up_layout(const LayerBenchOptions& options, int bits) noexcept {
  return {options.intermediate_size, options.hidden_size, bits, options.group_size,
          options.metadata_bits};
}

PackedLayout down_layout(const LayerBenchOptions& options, int bits) noexcept {
  return {options.hidden_size, options.intermediate_size, bits, options.group_size,
          options.metadata_bits};
}

std::vector<LayerExpert> uniform_experts(const LayerBenchOptions& options) {
  return std::vector<LayerExpert>(options.num_experts,
                                  expert_of(options, kMeanBits, options.rank));
}

std::vector<LayerExpert> mixed_experts(const LayerBenchOptions& options) {
  std::vector<LayerExpert> experts = uniform_experts(options);
  for (std::size_t pair = 0; 2 * pair + 1 < experts.size(); ++pair) {
    const Difference& difference = kDifferences[pair % kDifferences.size()];
    // Stored ranks are multiples of 16: of 16 itself no half can be taken.
    const std::size_t share =
        options.rank * static_cast<std::size_t>(std::abs(difference.rank_quarters)) / 4;
    const std::size_t step = share / kRankStep * kRankStep;
    const std::size_t less = options.rank - step, more = options.rank + step;
    const bool first_has_more = difference.rank_quarters < 0;
    experts[2 * pair] =
        expert_of(options, kMeanBits - difference.bits, first_has_more ? more : less);
    experts[2 * pair + 1] =
        expert_of(options, kMeanBits + difference.bits, first_has_more ? less : more);
  }
  return experts;
}

}  // namespace trine::eval
