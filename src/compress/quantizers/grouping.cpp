#include "compress/quantizers/grouping.h"

#include "compress/quantizers/affine_group.h"
#include "core/packed_matrix.h"

namespace trine::compress {

Result<QuantizedMatrix> start_matrix(MatrixView weights, const QuantizerOptions& options) {
  if (!is_packable(options.bits, options.group_size)) {
    return fail(ErrorCode::kInvalidArgument,
                "{} bits in groups of {}: expected 2, 3, 4, 5, 6 or 8 bits in groups of 32, 64 "
                "or 128",
                options.bits, options.group_size);
  }
  const auto is_too_large = [](float weight) {
    return !(weight <= kLargestWeight && weight >= -kLargestWeight);
  };
  std::size_t too_large = 0;
#pragma omp parallel for num_threads(options.threads) schedule(static) reduction(+ : too_large)
  for (std::size_t row = 0; row < weights.rows; ++row) {
    for (const float weight : weights.row(row)) too_large += is_too_large(weight) ? 1 : 0;
  }
  if (too_large > 0) {
    return fail(ErrorCode::kUnsupported,
                "a weight is {}; fp16 scales hold weights up to {} in size",
                *std::ranges::find_if(weights.values, is_too_large), kLargestWeight);
  }
  QuantizedMatrix matrix{.rows = weights.rows,
                         .cols = weights.cols,
                         .group_size = options.group_size,
                         .bits = options.bits,
                         .metadata_bits = options.metadata_bits};
  matrix.codes.resize(weights.rows * weights.cols);
  matrix.scales.resize(weights.rows * matrix.num_groups());
  matrix.zeros.resize(matrix.scales.size());
  if (options.metadata_bits == 8) {
    matrix.scale_steps.resize(weights.rows);
    matrix.zero_steps.resize(weights.rows);
  }
  return matrix;
}

}  // namespace trine::compress
