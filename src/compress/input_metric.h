// Sizes of matrices as the outputs see them: Σ over rows of aᵀ·E[x xᵀ]·b.
#pragma once

#include "compress/quantizers/quantizer.h"
#include "core/matrix_view.h"

namespace trine::compress {

/// Σ_r a_rᵀ H b_r for the rows of `a` and `b`, where H is what `moments` know of E[x xᵀ]: all of
/// it in blocks, else its diagonal, else the identity. For a = b = W − Ŵ that is the mean squared
/// error of the outputs. Products in fp32, sums in double in a fixed order: the result does not
/// depend on `threads`.
[[nodiscard]] double inner_product(MatrixView a, MatrixView b, const InputMoments& moments,
                                   int threads);

}  // namespace trine::compress
