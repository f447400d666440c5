#include "kernels/linalg/subtracted_product.h"

#include <immintrin.h>

#include <algorithm>

#include "base/result.h"
#include "kernels/linalg/blas.h"

namespace trine::kernels {
namespace {

constexpr std::size_t kBlock = SubtractedProduct::kColumnStep;

/// One tile: kRows rows and 64 columns.
struct Tile {
  const float* weights;
  std::size_t weights_stride;
  const float* left;   ///< [kRows, rank]
  const float* right;  ///< [rank, 64]
  std::size_t rank;
  std::size_t cols;  ///< at most 64
  float* target;
  std::size_t target_stride;
};

/// Sixteen sums in registers for four rows: a product and its addition a clock, and half of the
/// loads that two a clock allow.
template <std::size_t kRows>
__attribute__((target("avx512f"))) void subtract_tile(const Tile& tile) noexcept {
  __m512 sums[kRows][4];
  __mmask16 masks[4];
  for (std::size_t part = 0; part < 4; ++part) {
    const std::size_t left = tile.cols > 16 * part ? tile.cols - 16 * part : 0;
    masks[part] = static_cast<__mmask16>(left >= 16 ? 0xFFFFu : (1u << left) - 1u);
  }
  for (std::size_t row = 0; row < kRows; ++row) {
    for (std::size_t part = 0; part < 4; ++part) {
      sums[row][part] = _mm512_maskz_loadu_ps(
          masks[part], tile.weights + row * tile.weights_stride + 16 * part);
    }
  }
  for (std::size_t k = 0; k < tile.rank; ++k) {
    const float* right = tile.right + k * kBlock;
    const __m512 parts[4] = {_mm512_loadu_ps(right), _mm512_loadu_ps(right + 16),
                             _mm512_loadu_ps(right + 32), _mm512_loadu_ps(right + 48)};
    if (k < 4 * kRows) {  // the next block of these rows: too far apart to be foreseen
      _mm_prefetch(reinterpret_cast<const char*>(tile.weights + k / 4 * tile.weights_stride +
                                                 kBlock + k % 4 * 16),
                   _MM_HINT_T0);
    }
#pragma GCC unroll 4
    for (std::size_t row = 0; row < kRows; ++row) {
      const __m512 left = _mm512_set1_ps(tile.left[row * tile.rank + k]);
#pragma GCC unroll 4
      for (std::size_t part = 0; part < 4; ++part) {
        sums[row][part] = _mm512_fnmadd_ps(left, parts[part], sums[row][part]);
      }
    }
  }
  for (std::size_t row = 0; row < kRows; ++row) {
    for (std::size_t part = 0; part < 4; ++part) {
      _mm512_mask_storeu_ps(tile.target + row * tile.target_stride + 16 * part, masks[part],
                            sums[row][part]);
    }
  }
}

/// The same for processors without AVX-512.
void subtract_rows(const Tile& tile, std::size_t rows) {
  for (std::size_t row = 0; row < rows; ++row) {
    float* target = tile.target + row * tile.target_stride;
    std::copy_n(tile.weights + row * tile.weights_stride, tile.cols, target);
    for (std::size_t k = 0; k < tile.rank; ++k) {
      const float left = tile.left[row * tile.rank + k];
      const float* right = tile.right + k * kBlock;
      for (std::size_t col = 0; col < tile.cols; ++col) target[col] -= left * right[col];
    }
  }
}

}  // namespace

SubtractedProduct::SubtractedProduct(const LowRankFactors& factors, int threads)
    : rank_(factors.rank), cols_(factors.in_features) {
  if (rank_ == 0) return;
  const std::size_t blocks = (cols_ + kBlock - 1) / kBlock, rows = factors.out_features;
  left_.resize(rows * rank_);
  right_.resize(blocks * rank_ * kBlock);
#pragma omp parallel num_threads(threads)
  {
#pragma omp for schedule(static)
    for (std::size_t row = 0; row < rows; ++row) {
      for (std::size_t k = 0; k < rank_; ++k) {
        left_[row * rank_ + k] = factors.left[k * rows + row];
      }
    }
#pragma omp for schedule(static)
    for (std::size_t block = 0; block < blocks; ++block) {
      const std::size_t first = block * kBlock, count = std::min(kBlock, cols_ - first);
      for (std::size_t k = 0; k < rank_; ++k) {
        std::copy_n(factors.right.data() + k * cols_ + first, count,
                    right_.data() + (block * rank_ + k) * kBlock);
      }
    }
  }
}

void SubtractedProduct::subtract(MatrixView weights, const Rectangle& piece,
                                 float* target) const {
  check(piece.first_col % kBlock == 0, "subtract: a piece that begins within a block");
  static const bool is_wide = __builtin_cpu_supports("avx512f");
  for (std::size_t col = 0; col < piece.cols; col += kBlock) {
    const std::size_t from = piece.first_col + col;
    Tile tile{.weights = weights.values.data() + piece.first_row * weights.cols + from,
              .weights_stride = weights.cols,
              .left = left_.data() + piece.first_row * rank_,
              .right = right_.data() + from * rank_,
              .rank = rank_,
              .cols = std::min(kBlock, piece.cols - col),
              .target = target + col,
              .target_stride = piece.cols};
    if (!is_wide) {
      subtract_rows(tile, piece.rows);
      continue;
    }
    const auto step = [&](std::size_t rows) {
      tile.weights += rows * tile.weights_stride;
      tile.left += rows * rank_;
      tile.target += rows * tile.target_stride;
    };
    std::size_t row = 0;
    for (; row + 4 <= piece.rows; row += 4, step(4)) subtract_tile<4>(tile);
    for (; row < piece.rows; ++row, step(1)) subtract_tile<1>(tile);
  }
}

}  // namespace trine::kernels
