// What is left of a matrix after codes and factors have taken their parts.
#pragma once

#include <span>
#include <vector>

#include "compress/factors.h"
#include "compress/subspace.h"
#include "core/matrix_view.h"

namespace trine::compress {

/// target = weights − left·right; the weights themselves when the rank is 0.
/// @param target [rows, cols], no part of the weights.
void subtract_factors(MatrixView weights, const LowRankFactors& factors, int threads,
                      std::vector<float>& target);
[[nodiscard]] std::vector<float> without_factors(MatrixView weights,
                                                 const LowRankFactors& factors, int threads);

/// weights − the numbers of `codes`.
[[nodiscard]] std::vector<float> without_codes(MatrixView weights, const QuantizedMatrix& codes,
                                               int threads);

/// ‖values − the numbers of `codes`‖F², without memory for the difference.
[[nodiscard]] double squared_error(MatrixView values, const QuantizedMatrix& codes,
                                   int threads);

/// target = (weights − ŵ) + relaxation · (rest − ŵ) for the numbers ŵ of `codes`.
void relax(MatrixView weights, MatrixView rest, const QuantizedMatrix& codes, float relaxation,
           int threads, std::vector<float>& target);

/// Σ values² in double; the order of sums does not depend on `threads`.
[[nodiscard]] double squared_norm(MatrixView weights, int threads);

/// MiLo's stop (arXiv 2504.02658, appendix A): the mean error of three iterations improves by less
/// than 1e-4 of itself, or rises.
[[nodiscard]] bool has_converged(const std::vector<double>& trace);

}  // namespace trine::compress
