#include "compress/factors.h"

#include "kernels/lanes.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/dtype.h"
#include "compress/quantizers/affine_group.h"
#include "compress/quantizers/grouping.h"
#include "compress/quantizers/metadata.h"
#include "core/matrix_plan.h"
#include "kernels/block_codec.h"

namespace trine::compress {
namespace {

std::vector<std::uint8_t> pack_halves(const std::vector<float>& factor, std::size_t rank) {
  const std::size_t width = factor.size() / rank;
  std::vector<std::uint8_t> bytes(2 * stored_rank(rank, 16) * width);
  for (std::size_t i = 0; i < factor.size(); ++i) {
    const std::uint16_t half = float_to_f16(factor[i]);
    std::memcpy(bytes.data() + 2 * i, &half, sizeof half);
  }
  return bytes;
}

QuantizerOptions quantizer_options(const RoundingOptions& rounding) {
  return {.bits = rounding.factor_bits,
          .group_size = kFactorGroupSize,
          .metadata_bits = rounding.metadata_bits,
          .threads = rounding.threads,
          .start = rounding.start};
}

}  // namespace

Result<QuantizedMatrix> round_symmetric(MatrixView factor, const RoundingOptions& rounding) {
  const QuantizerOptions options = quantizer_options(rounding);
  TRINE_ASSIGN_OR_RETURN(QuantizedMatrix matrix, start_matrix(factor, options));
  const auto max_code = static_cast<float>((1 << options.bits) - 1);
  const float middle = (max_code + 1.0f) / 2.0f;
  for (std::size_t row = 0; row < factor.rows; ++row) {
    for_each_group({factor}, matrix, row, [&](const GroupView& group) {
      const float largest = range_of(group.weights).magnitude();
      const float step = std::max(2.0f * largest / max_code, kSmallestScale);
      for (std::size_t i = 0; i < group.weights.size(); ++i) {
        group.codes[i] =
            static_cast<std::uint8_t>(nearest_code(group.weights[i] / step + middle, max_code));
      }
      group.scale = std::max(rounded_to_f16(step), kSmallestScale);
      group.zero = middle;
    });
  }
  round_metadata({factor}, matrix, options);
  return matrix;
}

Result<QuantizedMatrix> round_least_squares(MatrixView factor,
                                            const RoundingOptions& rounding) {
  TRINE_ASSIGN_OR_RETURN(const auto quantizer, quantizer_named("trine"));
  return quantizer->quantize(factor, quantizer_options(rounding));
}

Result<QuantizedMatrix> round_factor(std::vector<float>& factor, std::size_t rank,
                                     const RoundingOptions& options, FactorRounding& rounding) {
  if (options.factor_bits == 16) {
    for (float& value : factor) value = rounded_to_f16(value);
    return QuantizedMatrix{};
  }
  const MatrixView view{rank, factor.size() / rank, factor};
  TRINE_ASSIGN_OR_RETURN(QuantizedMatrix codes, rounding(view, options));
  factor = dequantized(codes, options.threads);
  return codes;
}

FactorBytes pack_factors(const StoredFactors& factors, int threads) {
  if (factors.factor_bits == 16) {
    return {pack_halves(factors.numbers.left, factors.numbers.rank),
            pack_halves(factors.numbers.right, factors.numbers.rank)};
  }
  return {kernels::pack(factors.left, threads), kernels::pack(factors.right, threads)};
}

TRINE_EVERY_WIDTH void dequantize_row(const QuantizedMatrix& matrix, std::size_t row,
                                      std::span<float> values) {
  const std::size_t groups = matrix.num_groups();
  const std::uint8_t* codes = matrix.codes.data() + row * matrix.cols;
  for (std::size_t group = 0; group < groups; ++group) {
    const float scale = matrix.scales[row * groups + group];
    const float zero = matrix.zeros[row * groups + group];
    const std::size_t last = std::min(matrix.cols, (group + 1) * matrix.group_size);
    for (std::size_t i = group * matrix.group_size; i < last; ++i) {
      values[i] = (static_cast<float>(codes[i]) - zero) * scale;
    }
  }
}

std::vector<float> dequantized(const QuantizedMatrix& matrix, int threads) {
  std::vector<float> values(matrix.codes.size());
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t row = 0; row < matrix.rows; ++row) {
    dequantize_row(matrix, row, std::span(values).subspan(row * matrix.cols, matrix.cols));
  }
  return values;
}

}  // namespace trine::compress
