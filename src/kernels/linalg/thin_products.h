// Products of a large matrix with thin ones of tens or hundreds of columns. OpenBLAS, made for
// square ones, reaches half of its rate there; where the processor multiplies bf16, so do we.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "kernels/linalg/bf16_matrix.h"

namespace trine::kernels {

/// One way to compute them. Thin matrices lie as factors are stored, a row per rank. Results do
/// not depend on `threads`; every product is summed in fp32.
struct ThinProducts {
  std::string_view name;

  /// product [rank, rows]: product(j, i) = Σ_c matrix(i, c) · right(j, c), right [rank, cols].
  void (*times)(const Bf16Matrix& matrix, std::span<const float> right, std::size_t rank,
                std::span<float> product, int threads);

  /// product [rank, cols]: product(j, c) = Σ_i left(j, i) · matrix(i, c), left [rank, rows].
  void (*transposed_times)(const Bf16Matrix& matrix, std::span<const float> left,
                           std::size_t rank, std::span<float> product, int threads);
};

/// What this processor can run: OpenBLAS on panels widened to fp32 first, the fastest last, which
/// rounds the thin matrix to bf16 too.
[[nodiscard]] std::span<const ThinProducts* const> runnable_thin_products();

}  // namespace trine::kernels
