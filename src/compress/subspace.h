// The best low-rank approximation of a matrix, by randomized subspace iteration.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/low_rank.h"
#include "kernels/linalg/bf16_matrix.h"

namespace trine::compress {

/// matrix · rightᵀ as [rank, rows], for right [rank, cols].
[[nodiscard]] std::vector<float> times(const kernels::Bf16Matrix& matrix,
                                       const std::vector<float>& right, std::size_t rank,
                                       int threads);

/// left · matrix, [rank, cols], for left [rank, rows].
[[nodiscard]] std::vector<float> transposed_times(const kernels::Bf16Matrix& matrix,
                                                  const std::vector<float>& left,
                                                  std::size_t rank, int threads);

/// Halko, Martinsson, Tropp 2011, arXiv:0909.4061, with q = rank and no oversampling: what the
/// published MiLo calls. Starts from seeded random vectors.
/// @param power_iterations passes over matrixᵀ and matrix after the first one.
/// @return left·right ≈ matrix, √σ on both sides.
[[nodiscard]] LowRankFactors randomized_svd(const kernels::Bf16Matrix& matrix, std::size_t rank,
                                            int power_iterations, std::uint64_t seed,
                                            int threads);

/// Follows the dominant row space of a residual that changes a little at every call: the
/// subspace of the last call is the start of the next, so one pass each way is enough.
class WarmSubspace {
 public:
  WarmSubspace(std::size_t rank, std::uint64_t seed) : rank_(rank), seed_(seed) {}

  /// left·right ≈ residual with `passes` ≥ 1 iterations; √σ on both sides.
  [[nodiscard]] LowRankFactors approximate(const kernels::Bf16Matrix& residual, int passes,
                                           int threads);

 private:
  std::size_t rank_;
  std::uint64_t seed_;
  std::vector<float> basis_{};  ///< [rank, cols]; empty before the first call
};

}  // namespace trine::compress
