// Which later weights make good the error of an earlier one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"

namespace trine::compress {

/// Frantar et al. 2022, arXiv:2210.17323, equations 2 and 3 with the Cholesky form of section 3.3.
/// When the input at place i of the order was rounded with error e (weight minus its code's
/// number), what that does to the outputs is least when the weight at every later place j
/// becomes w_j − e · share(i, j). With H = E[x xᵀ] in that order and U the upper Cholesky factor
/// of H⁻¹ (UᵀU = H⁻¹), share(i, j) = U_ij / U_ii.
class ErrorFeedback {
 public:
  /// @param moments E[x xᵀ], [size, size], row-major, symmetric, positive semi-definite.
  /// @param damping added to the diagonal, as a share of its mean; multiplied by ten until the
  ///        factor exists.
  /// @param order a permutation of the inputs: order[place] = input.
  ErrorFeedback(std::span<const float> moments, std::vector<std::uint32_t> order,
                double damping);

  [[nodiscard]] std::size_t size() const noexcept { return order_.size(); }
  [[nodiscard]] std::span<const std::uint32_t> order() const noexcept { return order_; }
  /// share(place, ·), [size]; only the numbers behind `place` mean something.
  [[nodiscard]] const float* shares(std::size_t place) const noexcept {
    return shares_.data() + place * order_.size();
  }
  /// What an error at `place` costs after everything behind it has made good what it can:
  /// 1 / U_ii², at most E[x²] of the input (damped).
  [[nodiscard]] float cost(std::size_t place) const noexcept { return costs_[place]; }

 private:
  std::vector<std::uint32_t> order_;
  std::vector<float> shares_;  ///< [size, size], upper triangle
  std::vector<float> costs_;   ///< [size]
};

/// 0, 1, 2, …
[[nodiscard]] std::vector<std::uint32_t> natural_order(std::size_t size);

/// "Act-order" that keeps groups together: the groups of `group_size` consecutive inputs with the
/// largest sum of E[x²] first, and within a group the inputs with the largest; equal ones in
/// natural order.
[[nodiscard]] std::vector<std::uint32_t> largest_first(std::span<const float> moments,
                                                       std::size_t size,
                                                       std::size_t group_size);

}  // namespace trine::compress
