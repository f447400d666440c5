#include "kernels/linalg/subtracted_product.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/result.h"
#include "kernels/avx512_intrinsics.h"
#include "kernels/lanes.h"
#include "kernels/linalg/bf16_matrix.h"

namespace trine::kernels {
namespace {

constexpr std::size_t kBlock = SubtractedProduct::kColumnStep;

/// One tile: kRows rows and 64 columns.
struct Tile {
  const float* weights;
  std::size_t weights_stride;
  const float* left;   ///< [kRows, rank]
  const float* right;  ///< [rank, 64]
  const std::uint16_t* left_pairs;
  const std::uint16_t* right_pairs;
  std::size_t rank;
  std::size_t cols;  ///< at most 64
  float* target;
  std::size_t target_stride;
};

#define TRINE_TARGET_SINGLE __attribute__((target("avx512f,avx512bw")))
#define TRINE_INLINE_SINGLE __attribute__((target("avx512f,avx512bw"), always_inline)) inline
#define TRINE_TARGET_BF16 __attribute__((target("avx512f,avx512bw,avx512bf16")))

/// Sixteen sums in registers for four rows: a multiplication and addition a clock, and half of the
/// loads that two a clock allow.
template <std::size_t kRows>
struct Sums {
  __m512 values[kRows][4];
  __mmask16 masks[4];
};

template <std::size_t kRows>
TRINE_INLINE_SINGLE void load(const Tile& tile, Sums<kRows>& sums) {
  for (std::size_t part = 0; part < 4; ++part) {
    const std::size_t left = tile.cols > 16 * part ? tile.cols - 16 * part : 0;
    sums.masks[part] = static_cast<__mmask16>(left >= 16 ? 0xFFFFu : (1u << left) - 1u);
    for (std::size_t row = 0; row < kRows; ++row) {
      sums.values[row][part] = _mm512_maskz_loadu_ps(
          sums.masks[part], tile.weights + row * tile.weights_stride + 16 * part);
    }
  }
}

template <std::size_t kRows>
TRINE_INLINE_SINGLE void store(const Tile& tile, const Sums<kRows>& sums) {
  for (std::size_t row = 0; row < kRows; ++row) {
    for (std::size_t part = 0; part < 4; ++part) {
      _mm512_mask_storeu_ps(tile.target + row * tile.target_stride + 16 * part,
                            sums.masks[part], sums.values[row][part]);
    }
  }
}

/// The `index`-th line of the next 64 columns of these rows: they are too far apart for the
/// processor to see what comes next.
template <std::size_t kRows>
TRINE_INLINE_SINGLE void prefetch_next(const Tile& tile, std::size_t index) {
  if (index >= 4 * kRows) return;
  _mm_prefetch(reinterpret_cast<const char*>(tile.weights + index / 4 * tile.weights_stride +
                                             kBlock + index % 4 * 16),
               _MM_HINT_T0);
}

template <std::size_t kRows>
TRINE_TARGET_SINGLE void subtract_tile(const Tile& tile) noexcept {
  Sums<kRows> sums;
  load(tile, sums);
  for (std::size_t k = 0; k < tile.rank; ++k) {
    const float* right = tile.right + k * kBlock;
    const __m512 parts[4] = {_mm512_loadu_ps(right), _mm512_loadu_ps(right + 16),
                             _mm512_loadu_ps(right + 32), _mm512_loadu_ps(right + 48)};
    prefetch_next<kRows>(tile, k);
#pragma GCC unroll 4
    for (std::size_t row = 0; row < kRows; ++row) {
      const __m512 left = _mm512_set1_ps(tile.left[row * tile.rank + k]);
#pragma GCC unroll 4
      for (std::size_t part = 0; part < 4; ++part) {
        sums.values[row][part] = _mm512_fnmadd_ps(left, parts[part], sums.values[row][part]);
      }
    }
  }
  store(tile, sums);
}

template <std::size_t kRows>
TRINE_TARGET_BF16 void subtract_tile_of_pairs(const Tile& tile) noexcept {
  Sums<kRows> sums;
  load(tile, sums);
  for (std::size_t k = 0; k < tile.rank; k += 2) {
    const std::uint16_t* right = tile.right_pairs + k * kBlock;
    __m512bh parts[4];
    for (std::size_t part = 0; part < 4; ++part) {
      parts[part] = __builtin_bit_cast(__m512bh, _mm512_loadu_si512(right + 2 * 16 * part));
    }
    prefetch_next<kRows>(tile, k);
    prefetch_next<kRows>(tile, k + 1);
#pragma GCC unroll 4
    for (std::size_t row = 0; row < kRows; ++row) {
      int pair;
      std::memcpy(&pair, tile.left_pairs + row * tile.rank + k, sizeof pair);
      const auto left = __builtin_bit_cast(__m512bh, _mm512_set1_epi32(pair));
#pragma GCC unroll 4
      for (std::size_t part = 0; part < 4; ++part) {
        sums.values[row][part] = _mm512_dpbf16_ps(sums.values[row][part], left, parts[part]);
      }
    }
  }
  store(tile, sums);
}

/// The same for processors without AVX-512.
TRINE_EVERY_WIDTH void subtract_rows(const Tile& tile, std::size_t rows) {
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

SubtractedProduct::SubtractedProduct(const LowRankFactors& factors, Precision precision,
                                     int threads)
    : rank_(factors.rank),
      cols_(factors.in_features),
      is_paired_(precision == Precision::kBf16 && has_bf16_dot()),
      is_wide_(__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")) {
  if (rank_ == 0) return;
  if (is_paired_) {
    pack_pairs(factors, threads);
  } else {
    pack(factors, threads);
  }
}

void SubtractedProduct::pack(const LowRankFactors& factors, int threads) {
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

void SubtractedProduct::pack_pairs(const LowRankFactors& factors, int threads) {
  const std::size_t blocks = (cols_ + kBlock - 1) / kBlock, rows = factors.out_features;
  rank_ += rank_ % 2;
  left_pairs_.resize(rows * rank_);
  right_pairs_.resize(blocks * rank_ * kBlock);
#pragma omp parallel num_threads(threads)
  {
    std::vector<float> negative(rank_);
#pragma omp for schedule(static)
    for (std::size_t row = 0; row < rows; ++row) {
      for (std::size_t k = 0; k < factors.rank; ++k) {
        negative[k] = -factors.left[k * rows + row];
      }
      narrow_to_bf16(negative.data(), rank_, left_pairs_.data() + row * rank_);
    }
#pragma omp for schedule(static)
    for (std::size_t block = 0; block < blocks; ++block) {
      const std::size_t first = block * kBlock, count = std::min(kBlock, cols_ - first);
      std::array<std::uint16_t, kBlock> narrow;
      for (std::size_t k = 0; k < factors.rank; ++k) {
        narrow_to_bf16(factors.right.data() + k * cols_ + first, count, narrow.data());
        std::uint16_t* pairs =
            right_pairs_.data() + (block * rank_ + k / 2 * 2) * kBlock + k % 2;
        for (std::size_t col = 0; col < count; ++col) pairs[2 * col] = narrow[col];
      }
    }
  }
}

void SubtractedProduct::subtract(MatrixView weights, const Rectangle& piece,
                                 float* target) const {
  check(piece.first_col % kBlock == 0, "subtract: a piece that begins within a block");
  const auto four = is_paired_ ? subtract_tile_of_pairs<4> : subtract_tile<4>;
  const auto one = is_paired_ ? subtract_tile_of_pairs<1> : subtract_tile<1>;
  for (std::size_t col = 0; col < piece.cols; col += kBlock) {
    const std::size_t from = piece.first_col + col;
    Tile tile{.weights = weights.values.data() + piece.first_row * weights.cols + from,
              .weights_stride = weights.cols,
              .left = left_.data() + piece.first_row * rank_,
              .right = right_.data() + from * rank_,
              .left_pairs = left_pairs_.data() + piece.first_row * rank_,
              .right_pairs = right_pairs_.data() + from * rank_,
              .rank = rank_,
              .cols = std::min(kBlock, piece.cols - col),
              .target = target + col,
              .target_stride = piece.cols};
    if (!is_wide_) {
      subtract_rows(tile, piece.rows);
      continue;
    }
    const auto step = [&](std::size_t rows) {
      tile.weights += rows * tile.weights_stride;
      tile.left += rows * rank_;
      tile.left_pairs += rows * rank_;
      tile.target += rows * tile.target_stride;
    };
    std::size_t row = 0;
    for (; row + 4 <= piece.rows; row += 4, step(4)) four(tile);
    for (; row < piece.rows; ++row, step(1)) one(tile);
  }
}

}  // namespace trine::kernels
