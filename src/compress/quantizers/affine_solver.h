// The least-squares grid of one group: which scale and zero lose least, given what each weight
// counts.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "compress/quantizers/affine_group.h"
#include "core/packed_matrix.h"

namespace trine::compress {

/// One group of weights ready to be fitted; 2^bits codes.
class AffineSolver {
 public:
  /// @param weights at most kMostGroupSize values, not all equal.
  /// @param importance what an error of each weight counts, > 0; empty: all the same.
  AffineSolver(std::span<const float> weights, std::span<const float> importance, int bits);

  struct Fit {
    AffineGroup grid{};
    double error = 0.0;  ///< Σ importance · (w − ŵ)² with nearest codes
  };

  /// Alternates nearest codes and least squares for scale and zero from one starting grid until
  /// the codes repeat.
  [[nodiscard]] Fit descend(AffineGroup start) const;

  /// The best of descend() from several range shrinks and phases (the number depends on bits).
  [[nodiscard]] Fit solve() const;

  /// The best zero for a given scale, again by descent, from `zero` on.
  [[nodiscard]] Fit descend_zero(float scale, float zero) const;

  /// Error of exactly this grid.
  [[nodiscard]] double error(AffineGroup grid) const;

 private:
  struct Sums {
    double code = 0.0, code_code = 0.0, code_weight = 0.0;  // each times importance
  };
  [[nodiscard]] Sums sums(AffineGroup grid) const;
  [[nodiscard]] AffineGroup least_squares(const Sums& sums) const;
  [[nodiscard]] double error_of(const Sums& sums, AffineGroup grid) const;

  // Padded with weights of importance 0 to whole lanes.
  alignas(64) std::array<float, kMostGroupSize> weights_{};
  alignas(64) std::array<float, kMostGroupSize> importance_{};
  std::size_t padded_ = 0;
  int bits_;
  float max_code_;
  Range range_{};
  double total_ = 0.0, weight_ = 0.0, weight_weight_ = 0.0;  // sums of importance · 1, w, w²
};

}  // namespace trine::compress
