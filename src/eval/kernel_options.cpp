// Which options of the kernel measurement are possible.
#include <algorithm>

#include "core/matrix_plan.h"
#include "eval/kernel_rows.h"
#include "kernels/input_form.h"

namespace trine::eval {
namespace {

constexpr std::size_t kMostWeights = std::size_t{1} << 31;  // 2 GiB at 8 bits
constexpr std::size_t kMostBatch = 65536;

template <class Values>
Status require_some(const Values& values, std::string_view what) {
  if (!values.empty()) return {};
  return fail(ErrorCode::kInvalidArgument, "{} is an empty list, expected at least one value",
              what);
}

Status check_shape(const MatrixShape& shape, std::size_t rank) {
  const std::size_t out = shape.out_features, in = shape.in_features;
  if (out < 1 || in < 1 || out > kMostWeights / std::max<std::size_t>(in, 1)) {
    return fail(ErrorCode::kInvalidArgument,
                "shape {}x{} is not possible, expected 1 to 2^31 weights", out, in);
  }
  if (rank > std::min(out, in)) {
    return fail(ErrorCode::kInvalidArgument,
                "rank is {}, expected at most {}, the smaller side of {}x{}", rank,
                std::min(out, in), out, in);
  }
  return {};
}

}  // namespace

Status check_options(const KernelBenchOptions& options) {
  TRINE_RETURN_IF_ERROR(require_some(options.bits, "bits"));
  TRINE_RETURN_IF_ERROR(require_some(options.batches, "batch"));
  TRINE_RETURN_IF_ERROR(require_some(options.metadata_bits, "metadata bits"));
  for (const int bits : options.bits) {
    if (!is_packable(bits, 64)) {
      return fail(ErrorCode::kInvalidArgument, "bits is {}, expected 2, 3, 4, 5, 6 or 8", bits);
    }
  }
  if (!is_packable(options.bits.front(), options.group_size)) {
    return fail(ErrorCode::kInvalidArgument, "group size is {}, expected 32, 64 or 128",
                options.group_size);
  }
  for (const int metadata_bits : options.metadata_bits) {
    if (!is_metadata_width(metadata_bits)) {
      return fail(ErrorCode::kInvalidArgument, "metadata bits is {}, expected 16 or 8",
                  metadata_bits);
    }
  }
  TRINE_RETURN_IF_ERROR(kernels::input_form_named(options.activations));
  for (const std::size_t batch : options.batches) {
    if (batch < 1 || batch > kMostBatch) {
      return fail(ErrorCode::kInvalidArgument, "batch is {}, expected 1 to {}", batch,
                  kMostBatch);
    }
  }
  if (options.rank % kRankStep != 0) {
    return fail(ErrorCode::kInvalidArgument, "rank is {}, expected 0 or a multiple of {}",
                options.rank, kRankStep);
  }
  for (const MatrixShape& shape : options.shapes) {
    TRINE_RETURN_IF_ERROR(check_shape(shape, options.rank));
  }
  for (const MatrixShape& shape : options.cached_shapes) {
    TRINE_RETURN_IF_ERROR(check_shape(shape, 0));
  }
  return {};
}

}  // namespace trine::eval
