// Low-rank factors in the form they are stored in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "compress/quantizers/quantizer.h"
#include "core/low_rank.h"
#include "core/quantized_matrix.h"

namespace trine::compress {

/// Factors as a reader of the stored bytes gets them, and what is stored.
struct StoredFactors {
  int factor_bits = 0;
  LowRankFactors numbers{};  ///< after rounding
  QuantizedMatrix left{};    ///< [rank, out_features]; unused with factor_bits 16
  QuantizedMatrix right{};   ///< [rank, in_features]
};

/// How factors are rounded.
struct RoundingOptions {
  int factor_bits = 3;
  int metadata_bits = 16;
  int threads = 1;
  const QuantizedMatrix* start =
      nullptr;  ///< codes of nearly the same factor, if there are any
};

/// How one factor [rows, cols] is rounded to codes; groups of kFactorGroupSize along the rows.
using FactorRounding = Result<QuantizedMatrix>(MatrixView factor,
                                               const RoundingOptions& options);

/// The published grid (MiLo, arXiv 2504.02658, section 3.2.5) with the largest magnitude as its
/// scale, not the largest value: code = clamp(round(7t / 2·max|t|) + 4, 0, 7), and likewise at
/// 4 and 8 bits.
FactorRounding round_symmetric;

/// Least squares for scale and zero of every group: the quantizer "trine".
FactorRounding round_least_squares;

/// Rounds one factor in place and returns its codes; fp16 for factor_bits 16, then without codes.
[[nodiscard]] Result<QuantizedMatrix> round_factor(std::vector<float>& factor, std::size_t rank,
                                                   const RoundingOptions& options,
                                                   FactorRounding& rounding);

/// The bytes of both factors, left first, as the packed model stores them.
struct FactorBytes {
  std::vector<std::uint8_t> left{};
  std::vector<std::uint8_t> right{};
};
[[nodiscard]] FactorBytes pack_factors(const StoredFactors& factors, int threads);

/// The numbers of one row's codes, [cols].
void dequantize_row(const QuantizedMatrix& matrix, std::size_t row, std::span<float> values);

/// The numbers codes stand for, [rows, cols].
[[nodiscard]] std::vector<float> dequantized(const QuantizedMatrix& matrix, int threads);

}  // namespace trine::compress
