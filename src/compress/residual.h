// What is left of a matrix after codes and factors have taken their parts.
#pragma once

#include <vector>

#include "compress/factors.h"
#include "core/matrix_view.h"
#include "kernels/linalg/coded_rows.h"

namespace trine::compress {

/// weights − left·right; the weights themselves when the rank is 0.
[[nodiscard]] std::vector<float> without_factors(MatrixView weights,
                                                 const LowRankFactors& factors, int threads);

/// weights − the numbers of `codes`.
[[nodiscard]] std::vector<float> without_codes(MatrixView weights, const QuantizedMatrix& codes,
                                               int threads);

/// Σ values² in double; the order of sums does not depend on `threads`.
[[nodiscard]] double squared_norm(MatrixView weights, int threads);

/// Σ (values − others)² of `count` numbers, in double.
[[nodiscard]] double squared_distance(const float* values, const float* others,
                                      std::size_t count);

/// `count` columns of a row, from one that begins a group on.
[[nodiscard]] kernels::CodedRow coded_row(const QuantizedMatrix& matrix, std::size_t row,
                                          std::size_t first_col, std::size_t count);

/// Adds up from the first to the last.
[[nodiscard]] double in_order(const std::vector<double>& sums);

/// MiLo's stop (arXiv 2504.02658, appendix A): the mean error of three iterations improves by less
/// than 1e-4 of itself, or rises.
[[nodiscard]] bool has_converged(const std::vector<double>& trace);

}  // namespace trine::compress
