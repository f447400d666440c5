#include "compress/quantizers/grouping.h"

#include "base/huge_pages.h"
#include "compress/quantizers/affine_group.h"
#include "core/packed_matrix.h"

namespace trine::compress {

Status make_room(MatrixView weights, const QuantizerOptions& options, QuantizedMatrix& matrix) {
  if (!is_packable(options.bits, options.group_size)) {
    return fail(ErrorCode::kInvalidArgument,
                "{} bits in groups of {}: expected 2, 3, 4, 5, 6 or 8 bits in groups of 32, 64 "
                "or 128",
                options.bits, options.group_size);
  }
  matrix.rows = weights.rows;
  matrix.cols = weights.cols;
  matrix.group_size = options.group_size;
  matrix.bits = options.bits;
  matrix.metadata_bits = options.metadata_bits;
  base::resize_in_huge_pages(matrix.codes, weights.rows * weights.cols);
  matrix.scales.resize(weights.rows * matrix.num_groups());
  matrix.zeros.resize(matrix.scales.size());
  if (options.metadata_bits == 8) {
    matrix.scale_steps.resize(weights.rows);
    matrix.zero_steps.resize(weights.rows);
  }
  return {};
}

Status check_size(float weight) {
  if (weight <= kLargestWeight && weight >= -kLargestWeight) return {};
  return fail(ErrorCode::kUnsupported,
              "a weight is {}; fp16 scales hold weights up to {} in size", weight,
              kLargestWeight);
}

Result<QuantizedMatrix> start_matrix(MatrixView weights, const QuantizerOptions& options) {
  const auto is_too_large = [](float weight) {
    return !(weight <= kLargestWeight && weight >= -kLargestWeight);
  };
  QuantizedMatrix matrix;
  TRINE_RETURN_IF_ERROR(make_room(weights, options, matrix));
  std::size_t too_large = 0;
#pragma omp parallel for num_threads(options.threads) schedule(static) reduction(+ : too_large)
  for (std::size_t row = 0; row < weights.rows; ++row) {
    for (const float weight : weights.row(row)) too_large += is_too_large(weight) ? 1 : 0;
  }
  if (too_large > 0) {
    TRINE_RETURN_IF_ERROR(check_size(*std::ranges::find_if(weights.values, is_too_large)));
  }
  return matrix;
}

Result<QuantizedMatrix> RowQuantizer::quantize(MatrixView weights,
                                               const QuantizerOptions& options) const {
  TRINE_ASSIGN_OR_RETURN(QuantizedMatrix matrix, start_matrix(weights, options));
#pragma omp parallel for num_threads(options.threads) schedule(static)
  for (std::size_t row = 0; row < weights.rows; ++row) {
    quantize_panel({{1, weights.cols, weights.row(row)}, row, 0}, options, matrix);
  }
  return matrix;
}

}  // namespace trine::compress
