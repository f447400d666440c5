// Sizes of matrices as the outputs see them: Σ over rows of aᵀ·E[x xᵀ]·b.
#pragma once

#include <cstddef>
#include <vector>

#include "compress/quantizers/quantizer.h"
#include "core/matrix_view.h"

namespace trine::compress {

/// Σ_r a_rᵀ H b_r for the rows of `a` and `b`, where H is what `moments` know of E[x xᵀ]: all of
/// it in blocks, else its diagonal, else the identity. For a = b = W − Ŵ that is the mean squared
/// error of the outputs. Products in fp32, sums in double in a fixed order: the result does not
/// depend on `threads`.
[[nodiscard]] double inner_product(MatrixView a, MatrixView b, const InputMoments& moments,
                                   int threads);

/// H = S·Sᵀ: ‖E·S‖F is what E does to the outputs, so a problem of outputs becomes one of plain
/// squares once both sides are multiplied by S ("whitened").
class InputMetric {
 public:
  /// S = 1.
  InputMetric() = default;
  /// S of what the moments know: Cholesky factors of the blocks, else square roots of the
  /// diagonal, else 1. Blocks are damped by 1e-4 of their mean diagonal, or by ten times that
  /// until they have a factor.
  InputMetric(const InputMoments& moments, std::size_t cols);

  [[nodiscard]] bool is_plain() const noexcept { return roots_.empty(); }
  /// values · S for `values` [rows, cols].
  [[nodiscard]] std::vector<float> whitened(std::vector<float> values, int threads) const;
  /// values · S⁻¹.
  [[nodiscard]] std::vector<float> unwhitened(std::vector<float> values, int threads) const;

 private:
  std::size_t cols_ = 0;
  std::size_t block_size_ = 0;  ///< 0: roots_ is a diagonal
  std::vector<float> roots_{};  ///< lower triangles, as InputMoments::blocks
};

}  // namespace trine::compress
