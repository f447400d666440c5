// What is left of a matrix after codes and factors have taken their parts.
#pragma once

#include <vector>

#include "compress/factors.h"
#include "compress/subspace.h"
#include "core/matrix_view.h"

namespace trine::compress {

/// weights − left·right; the weights themselves when the rank is 0.
[[nodiscard]] std::vector<float> without_factors(MatrixView weights,
                                                 const LowRankFactors& factors, int threads);

/// weights − the numbers of `codes`.
[[nodiscard]] std::vector<float> without_codes(MatrixView weights, const QuantizedMatrix& codes,
                                               int threads);

/// Σ values², summed in double, in order.
[[nodiscard]] double squared_norm(const std::vector<float>& values);
[[nodiscard]] double squared_norm(MatrixView weights);

/// MiLo's stop (arXiv 2504.02658, appendix A): the mean error of three iterations improves by less
/// than 1e-4 of itself, or rises.
[[nodiscard]] bool has_converged(const std::vector<double>& trace);

}  // namespace trine::compress
