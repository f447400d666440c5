// What is to be done to one matrix, and what that will cost in bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/packed_matrix.h"

namespace trine {

inline constexpr std::size_t kFactorGroupSize = 64;  ///< of packed low-rank factors
inline constexpr std::size_t kRankStep = 16;  ///< stored ranks are multiples: a block's outputs

/// One row of a plan. Ŵ = codes (+ left·right when rank > 0).
struct MatrixPlan {
  std::string quantizer = "hqq";  ///< a name of compress/quantizers/registry.cpp
  int bits = 3;                   ///< 2, 3, 4, 5, 6 or 8
  std::size_t group_size = 64;    ///< 32, 64 or 128
  int metadata_bits = 16;         ///< of scales and zeros, those of the factors too: 16 or 8
  std::size_t rank = 0;           ///< of the compensator; 0: none
  int factor_bits = 3;            ///< of the compensator's factors: 3, 4, 8, or 16 for fp16
  std::string compensator{};      ///< a name of compress/compensators/registry.cpp; empty: none
  /// Ŵ is scaled until Σ W·Ŵ = Σ W²: least squares alone shrinks a matrix by its squared error,
  /// and a chain of shrunken matrices loses more than the error it saved.
  bool unbiased = false;

  [[nodiscard]] bool operator==(const MatrixPlan&) const = default;
};

/// Layouts of the factors W ≈ Ŵ + left·right, left [out, rank], right [rank, in]. The left one is
/// stored transposed, [rank, out], so that both have their groups along the long side and their
/// row blocks along the rank. Only for factor_bits below 16.
[[nodiscard]] constexpr PackedLayout left_layout(const PackedLayout& matrix, std::size_t rank,
                                                 int factor_bits) noexcept {
  return {rank, matrix.out_features, factor_bits, kFactorGroupSize, matrix.metadata_bits};
}
[[nodiscard]] constexpr PackedLayout right_layout(const PackedLayout& matrix, std::size_t rank,
                                                  int factor_bits) noexcept {
  return {rank, matrix.in_features, factor_bits, kFactorGroupSize, matrix.metadata_bits};
}

/// Layout of the codes of an [out_features, in_features] matrix under `plan`.
[[nodiscard]] inline PackedLayout layout_of(std::size_t out_features, std::size_t in_features,
                                            const MatrixPlan& plan) noexcept {
  return {out_features, in_features, plan.bits, plan.group_size, plan.metadata_bits};
}

/// Rows of a stored factor. fp16 factors are filled up with zeros to multiples of 32, so that
/// whatever follows them in a file stays on a 64-byte line.
[[nodiscard]] constexpr std::size_t stored_rank(std::size_t rank, int factor_bits) noexcept {
  return factor_bits == 16 ? (rank + 31) / 32 * 32 : rank;
}

/// Bytes both factors take; 0 for rank 0.
[[nodiscard]] constexpr std::size_t factor_bytes(const PackedLayout& matrix, std::size_t rank,
                                                 int factor_bits) noexcept {
  if (rank == 0) return 0;
  if (factor_bits == 16) {
    return 2 * stored_rank(rank, 16) * (matrix.out_features + matrix.in_features);
  }
  return left_layout(matrix, rank, factor_bits).total_bytes() +
         right_layout(matrix, rank, factor_bits).total_bytes();
}

/// Every byte the matrix will take in the packed model: codes, scales, zeros, padding, factors.
[[nodiscard]] inline std::size_t stored_bytes(std::size_t out_features, std::size_t in_features,
                                              const MatrixPlan& plan) noexcept {
  const PackedLayout layout = layout_of(out_features, in_features, plan);
  return layout.total_bytes() + factor_bytes(layout, plan.rank, plan.factor_bits);
}

}  // namespace trine
