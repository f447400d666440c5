// vdpbf16ps adds the products of two pairs of bf16 to each of 16 sums, one a clock on Zen 4. What
// limits such loops besides is loads, two a clock, so tiles of sums stay in registers: 12 rows of 32
// ranks (24 registers, 14 loads for 24 dots), or 12 ranks of 32 columns.
#include "kernels/linalg/thin_products_bf16.h"

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <cstring>

#define TRINE_TARGET_BF16 __attribute__((target("avx512f,avx512bw,avx512bf16")))
#define TRINE_INLINE_BF16 \
  __attribute__((target("avx512f,avx512bw,avx512bf16"), always_inline)) inline

namespace trine::kernels {
namespace {

constexpr std::size_t kLanes = 16;  // sums of a register; pairs of bf16 of a register

TRINE_INLINE_BF16 __m512bh load_pairs(const std::uint16_t* pairs) {
  return __builtin_bit_cast(__m512bh, _mm512_loadu_si512(pairs));
}

TRINE_INLINE_BF16 __m512bh repeat_pair(const std::uint16_t* pair) {
  int bits;
  std::memcpy(&bits, pair, sizeof bits);
  return __builtin_bit_cast(__m512bh, _mm512_set1_epi32(bits));
}

std::size_t rounded_up(std::size_t value, std::size_t step) {
  return (value + step - 1) / step * step;
}

// ---- matrix · rightᵀ ---------------------------------------------------------------------------

constexpr std::size_t kRankBlock = 2 * kLanes;
constexpr std::size_t kRowTile = 12;
constexpr std::size_t kRowTask = 4 * kRowTile;
// Columns between two visits of the sums: 32 ranks of them are 256 KiB of the second cache.
constexpr std::size_t kDepth = 4096;

/// right [rank, cols] as blocks of 32 ranks, each [cols/2][32][2]: what one step of a tile loads
/// lies side by side. Missing ranks and columns are 0.
std::vector<std::uint16_t> paired_columns(std::span<const float> right, std::size_t rank,
                                          std::size_t cols, std::size_t stride, int threads) {
  const std::size_t blocks = (rank + kRankBlock - 1) / kRankBlock;
  std::vector<std::uint16_t> pairs(blocks * kRankBlock * stride);
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t block = 0; block < blocks * kRankBlock / 2; ++block) {
    for (std::size_t j = 2 * block; j < std::min(2 * block + 2, rank); ++j) {
      std::uint16_t* target =
          pairs.data() + j / kRankBlock * kRankBlock * stride + j % kRankBlock * 2;
      const float* source = right.data() + j * cols;
      std::array<std::uint16_t, 256> narrow;
      for (std::size_t first = 0; first < cols; first += narrow.size()) {
        const std::size_t count = std::min(narrow.size(), cols - first);
        narrow_to_bf16(source + first, count, narrow.data());
        for (std::size_t i = 0; i < count; ++i) {
          const std::size_t col = first + i;
          target[col / 2 * (2 * kRankBlock) + col % 2] = narrow[i];
        }
      }
    }
  }
  return pairs;
}

/// sums [kRows, 32] += rows · right over `pairs` pairs of columns.
template <std::size_t kRows>
TRINE_TARGET_BF16 void add_row_tile(const std::uint16_t* rows, std::size_t stride,
                                    const std::uint16_t* right, std::size_t pairs,
                                    float* sums) noexcept {
  __m512 tile[kRows][2];
  for (std::size_t row = 0; row < kRows; ++row) {
    tile[row][0] = _mm512_loadu_ps(sums + row * kRankBlock);
    tile[row][1] = _mm512_loadu_ps(sums + row * kRankBlock + kLanes);
  }
  for (std::size_t pair = 0; pair < pairs; ++pair) {
    const __m512bh low = load_pairs(right + pair * 2 * kRankBlock);
    const __m512bh high = load_pairs(right + pair * 2 * kRankBlock + 2 * kLanes);
#pragma GCC unroll 12
    for (std::size_t row = 0; row < kRows; ++row) {
      const __m512bh value = repeat_pair(rows + row * stride + 2 * pair);
      tile[row][0] = _mm512_dpbf16_ps(tile[row][0], value, low);
      tile[row][1] = _mm512_dpbf16_ps(tile[row][1], value, high);
    }
  }
  for (std::size_t row = 0; row < kRows; ++row) {
    _mm512_storeu_ps(sums + row * kRankBlock, tile[row][0]);
    _mm512_storeu_ps(sums + row * kRankBlock + kLanes, tile[row][1]);
  }
}

/// One task: 48 rows, 32 ranks.
void multiply_rows(const Bf16Matrix& matrix, std::size_t first, const std::uint16_t* right,
                   float* sums) {
  const std::size_t rows = std::min(kRowTask, matrix.rows() - first);
  std::fill(sums, sums + kRowTask * kRankBlock, 0.0f);
  const std::size_t cols = rounded_up(matrix.cols(), 2);
  for (std::size_t col = 0; col < cols; col += kDepth) {
    const std::size_t pairs = std::min(kDepth, cols - col) / 2;
    const std::uint16_t* basis = right + col * kRankBlock;
    std::size_t row = 0;
    const auto source = [&] { return matrix.row(first + row) + col; };
    for (; row + kRowTile <= rows; row += kRowTile) {
      add_row_tile<kRowTile>(source(), matrix.stride(), basis, pairs, sums + row * kRankBlock);
    }
    for (; row + 4 <= rows; row += 4) {
      add_row_tile<4>(source(), matrix.stride(), basis, pairs, sums + row * kRankBlock);
    }
    for (; row < rows; ++row) {
      add_row_tile<1>(source(), matrix.stride(), basis, pairs, sums + row * kRankBlock);
    }
  }
}

void times(const Bf16Matrix& matrix, std::span<const float> right, std::size_t rank,
           std::span<float> product, int threads) {
  const std::vector<std::uint16_t> pairs =
      paired_columns(right, rank, matrix.cols(), matrix.stride(), threads);
  const std::size_t blocks = (rank + kRankBlock - 1) / kRankBlock;
  const std::size_t tasks = (matrix.rows() + kRowTask - 1) / kRowTask * blocks;
#pragma omp parallel for num_threads(threads) schedule(dynamic)
  for (std::size_t task = 0; task < tasks; ++task) {
    const std::size_t first = task / blocks * kRowTask, block = task % blocks;
    alignas(64) float sums[kRowTask * kRankBlock];
    multiply_rows(matrix, first, pairs.data() + block * kRankBlock * matrix.stride(), sums);
    const std::size_t rows = std::min(kRowTask, matrix.rows() - first);
    const std::size_t ranks = std::min(kRankBlock, rank - block * kRankBlock);
    for (std::size_t j = 0; j < ranks; ++j) {
      float* target = product.data() + (block * kRankBlock + j) * matrix.rows() + first;
      for (std::size_t row = 0; row < rows; ++row) target[row] = sums[row * kRankBlock + j];
    }
  }
}

// ---- left · matrix -----------------------------------------------------------------------------

constexpr std::size_t kColTask = 1024;
constexpr std::size_t kRowSlab = 2048;  // rows summed by one task
constexpr std::size_t kTileRows = 128;  // with 1024 columns: 256 KiB of the second cache
constexpr std::size_t kStrip = 32;      // columns of a tile: a cache line of every row
constexpr std::size_t kRankStep = 4;

/// left [rank, rows] as [rows/2][padded rank][2].
std::vector<std::uint16_t> paired_rows(std::span<const float> left, std::size_t rank,
                                       std::size_t rows, std::size_t padded) {
  std::vector<std::uint16_t> pairs(rounded_up(rows, 2) * padded);
  std::vector<std::uint16_t> narrow(rows);
  for (std::size_t j = 0; j < rank; ++j) {
    narrow_to_bf16(left.data() + j * rows, rows, narrow.data());
    for (std::size_t row = 0; row < rows; ++row) {
      pairs[row / 2 * (2 * padded) + 2 * j + row % 2] = narrow[row];
    }
  }
  return pairs;
}

/// What a strip of columns is multiplied with.
struct Strip {
  const std::uint16_t* rows;  ///< of the matrix, at the strip's first column
  std::size_t stride;
  const std::uint16_t* left;  ///< of the same rows, at the first rank of the tile
  std::size_t left_stride;    ///< of a pair of rows
  std::size_t pairs;
};

/// sums [kRanks, 32 columns], `sums_stride` apart, += left · strip.
template <std::size_t kRanks>
TRINE_TARGET_BF16 void add_strip_tile(const Strip& strip, float* sums,
                                      std::size_t sums_stride) noexcept {
  // Two rows become pairs: element c of one beside element c of the other.
  alignas(64) std::uint16_t order[2][2 * kLanes];
  for (std::size_t i = 0; i < 2 * kLanes; ++i) {
    order[0][i] = static_cast<std::uint16_t>(i / 2 + i % 2 * 32);
    order[1][i] = static_cast<std::uint16_t>(order[0][i] + 16);
  }
  const __m512i first_half = _mm512_load_si512(order[0]);
  const __m512i second_half = _mm512_load_si512(order[1]);
  __m512 tile[kRanks][2];
  for (std::size_t j = 0; j < kRanks; ++j) {
    tile[j][0] = _mm512_loadu_ps(sums + j * sums_stride);
    tile[j][1] = _mm512_loadu_ps(sums + j * sums_stride + kLanes);
  }
  for (std::size_t pair = 0; pair < strip.pairs; ++pair) {
    const std::uint16_t* source = strip.rows + 2 * pair * strip.stride;
    const __m512i even = _mm512_loadu_si512(source);
    const __m512i odd = _mm512_loadu_si512(source + strip.stride);
    _mm_prefetch(reinterpret_cast<const char*>(source + kStrip), _MM_HINT_T0);
    _mm_prefetch(reinterpret_cast<const char*>(source + strip.stride + kStrip), _MM_HINT_T0);
    const auto low =
        __builtin_bit_cast(__m512bh, _mm512_permutex2var_epi16(even, first_half, odd));
    const auto high =
        __builtin_bit_cast(__m512bh, _mm512_permutex2var_epi16(even, second_half, odd));
    const std::uint16_t* left = strip.left + pair * strip.left_stride;
#pragma GCC unroll 12
    for (std::size_t j = 0; j < kRanks; ++j) {
      const __m512bh value = repeat_pair(left + 2 * j);
      tile[j][0] = _mm512_dpbf16_ps(tile[j][0], value, low);
      tile[j][1] = _mm512_dpbf16_ps(tile[j][1], value, high);
    }
  }
  for (std::size_t j = 0; j < kRanks; ++j) {
    _mm512_storeu_ps(sums + j * sums_stride, tile[j][0]);
    _mm512_storeu_ps(sums + j * sums_stride + kLanes, tile[j][1]);
  }
}

/// All ranks of one strip.
void add_strip(Strip strip, std::size_t padded, float* sums, std::size_t sums_stride) {
  for (std::size_t left = padded; left > 0;) {
    std::size_t ranks = 4;
    if (left >= 12 && left != 16) {
      add_strip_tile<12>(strip, sums, sums_stride);
      ranks = 12;
    } else if (left >= 8) {
      add_strip_tile<8>(strip, sums, sums_stride);
      ranks = 8;
    } else {
      add_strip_tile<4>(strip, sums, sums_stride);
    }
    strip.left += 2 * ranks;
    sums += ranks * sums_stride;
    left -= ranks;
  }
}

void transposed_times(const Bf16Matrix& matrix, std::span<const float> left, std::size_t rank,
                      std::span<float> product, int threads) {
  const std::size_t padded = rounded_up(rank, kRankStep);
  const std::vector<std::uint16_t> pairs = paired_rows(left, rank, matrix.rows(), padded);
  const std::size_t stride = rounded_up(matrix.cols(), kStrip);
  const std::size_t slabs = (matrix.rows() + kRowSlab - 1) / kRowSlab;
  const std::size_t col_tasks = (stride + kColTask - 1) / kColTask;
  // Every slab of rows has sums of its own, added in order afterwards: there is work for many
  // threads, and no thread's share decides what is added to what.
  std::vector<float> sums(slabs * padded * stride);
#pragma omp parallel num_threads(threads)
  {
#pragma omp for schedule(dynamic)
    for (std::size_t task = 0; task < slabs * col_tasks; ++task) {
      const std::size_t slab = task / col_tasks, first_col = task % col_tasks * kColTask;
      const std::size_t last_col = std::min(first_col + kColTask, stride);
      const std::size_t last_row =
          std::min((slab + 1) * kRowSlab, rounded_up(matrix.rows(), 2));
      for (std::size_t row = slab * kRowSlab; row < last_row; row += kTileRows) {
        const std::size_t tile_pairs = std::min(kTileRows, last_row - row) / 2;
        for (std::size_t col = first_col; col < last_col; col += kStrip) {
          add_strip({matrix.row(row) + col, matrix.stride(), pairs.data() + row * padded,
                     2 * padded, tile_pairs},
                    padded, sums.data() + slab * padded * stride + col, stride);
        }
      }
    }
#pragma omp for schedule(static)
    for (std::size_t j = 0; j < rank; ++j) {
      float* target = product.data() + j * matrix.cols();
      std::copy_n(sums.data() + j * stride, matrix.cols(), target);
      for (std::size_t slab = 1; slab < slabs; ++slab) {
        const float* more = sums.data() + (slab * padded + j) * stride;
        for (std::size_t col = 0; col < matrix.cols(); ++col) target[col] += more[col];
      }
    }
  }
}

}  // namespace

const ThinProducts kBf16ThinProducts{"avx512bf16", times, transposed_times};

}  // namespace trine::kernels
