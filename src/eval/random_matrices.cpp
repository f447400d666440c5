#include "eval/random_matrices.h"

#include <algorithm>
#include <cmath>

#include "core/matrix_plan.h"
#include "eval/random_blocks.h"
#include "kernels/block_codec.h"

namespace trine::eval {
namespace {

/// Σ weights[i] · values[i] in double.
double dot(const float* weights, const float* values, std::size_t count) {
  double sum = 0.0;
  for (std::size_t i = 0; i < count; ++i) {
    sum += static_cast<double>(weights[i]) * static_cast<double>(values[i]);
  }
  return sum;
}

/// What the factors add to every output of one token.
std::vector<double> compensation(const LowRankView& low_rank, const float* input) {
  const auto& left = std::get<PackedMatrixView>(low_rank.left);
  const auto& right = std::get<PackedMatrixView>(low_rank.right);
  const std::vector<float> left_weights = kernels::dequantize(left);
  const std::vector<float> right_weights = kernels::dequantize(right);
  const std::size_t width = left.layout.in_features, depth = right.layout.in_features;
  std::vector<double> added(width);
  for (std::size_t row = 0; row < low_rank.rank; ++row) {
    const double projected = dot(right_weights.data() + row * depth, input, depth);
    for (std::size_t out = 0; out < width; ++out) {
      added[out] += projected * static_cast<double>(left_weights[row * width + out]);
    }
  }
  return added;
}

}  // namespace

std::size_t RandomMatrices::bytes_of_one(const PackedLayout& layout, std::size_t rank) {
  return layout.total_bytes() + factor_bytes(layout, rank, kFactorBits);
}

RandomMatrices::RandomMatrices(const PackedLayout& layout, std::size_t rank,
                               std::span<std::uint8_t> buffer, std::size_t most, int threads,
                               std::uint64_t seed) {
  const std::size_t bytes = bytes_of_one(layout, rank);
  const std::size_t count = std::clamp<std::size_t>(buffer.size() / bytes, 1, most);
  std::size_t offset = 0;
  const auto next = [&](const PackedLayout& part) {
    const auto blocks = buffer.subspan(offset, part.total_bytes());
    fill_random_blocks(part, ++seed, threads, blocks);
    offset += blocks.size();
    return PackedMatrixView{part, blocks};
  };
  for (std::size_t index = 0; index < count; ++index) {
    CompensatedMatrixView matrix{.codes = next(layout), .low_rank = {.rank = rank}};
    if (rank > 0) {
      matrix.low_rank.left = next(left_layout(layout, rank, kFactorBits));
      matrix.low_rank.right = next(right_layout(layout, rank, kFactorBits));
    }
    matrices_.push_back(matrix);
  }
  bytes_ = buffer.first(offset);
}

double sampled_error(const CompensatedMatrixView& matrix, bool with_factors,
                     std::span<const float> inputs, std::span<const float> outputs) {
  constexpr std::size_t kSampledBlocks = 8;
  const PackedLayout& layout = matrix.codes.layout;
  const std::size_t tokens = inputs.size() / layout.in_features;
  const std::size_t row_length = layout.num_groups() * layout.group_size;
  const std::size_t step = std::max<std::size_t>(layout.num_row_blocks() / kSampledBlocks, 1);
  std::vector<float> weights(kBlockRows * row_length);
  double error = 0.0, power = 0.0;
  for (std::size_t token = 0; token < tokens; token += std::max<std::size_t>(tokens - 1, 1)) {
    const float* input = inputs.data() + token * layout.in_features;
    std::vector<double> added(layout.out_features);
    if (with_factors) added = compensation(matrix.low_rank, input);
    for (std::size_t block = 0; block < layout.num_row_blocks(); block += step) {
      kernels::dequantize_row_block(matrix.codes, block, weights.data());
      const std::size_t first = block * kBlockRows;
      for (std::size_t row = first; row < std::min(first + kBlockRows, layout.out_features);
           ++row) {
        const double expected = added[row] + dot(weights.data() + (row - first) * row_length,
                                                 input, layout.in_features);
        const double found = outputs[token * layout.out_features + row];
        error += (found - expected) * (found - expected);
        power += expected * expected;
      }
    }
  }
  return power > 0.0 ? std::sqrt(error / power) : 0.0;
}

}  // namespace trine::eval
