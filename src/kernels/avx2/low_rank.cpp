// The epilogue of a compensator on 256-bit registers, for the wider tables too. Its sums run along
// the outputs, so codes are unpacked to rows first.
#include <algorithm>
#include <cstring>

#include "kernels/avx2/dense.h"
#include "kernels/avx2/target.h"
#include "kernels/avx2/unpack.h"
#include "kernels/each_width.h"

namespace trine::kernels::avx2 {
namespace {

/// One group of one row block of the factor, row by row.
struct FactorGroup {
  std::uint8_t codes[kBlockRows][kMostGroupSize];
  float scales[kBlockRows];
  float zeros[kBlockRows];
};

template <int kBits>
TRINE_TARGET_AVX2 void unpack_group(const std::uint8_t* row_block, const PackedLayout& layout,
                                    std::size_t group, FactorGroup& unpacked) noexcept {
  for (std::size_t half = 0; half < 2; ++half) {
    const std::size_t first = half * kHalfRows;
    const std::uint8_t* lines = row_block + layout.codes_offset(group) + half * kHalfBytes;
    for (std::size_t chunk = 0; chunk < layout.num_chunks_per_group(); ++chunk) {
      __m256i q[8];
      unpack<kBits>(lines + chunk * kBits * kLineBytes, q);
      alignas(32) std::uint8_t operands[8][kHalfBytes];
      for (std::size_t j = 0; j < 8; ++j) {
        _mm256_store_si256(reinterpret_cast<__m256i*>(operands[j]), q[j]);
      }
      for (std::size_t row = 0; row < kHalfRows; ++row) {
        std::uint8_t* target = unpacked.codes[first + row] + chunk * kChunkInputs;
        for (std::size_t j = 0; j < 8; ++j) {
          std::memcpy(target + 4 * j, operands[j] + 4 * row, 4);
        }
      }
    }
    const Metadata metadata = load_metadata(row_block, layout, group, half);
    _mm256_storeu_ps(unpacked.scales + first, metadata.scales);
    _mm256_storeu_ps(unpacked.zeros + first, metadata.zeros);
  }
}

/// sums[i] += Σ_r weight(r, i) · factors[r], over the rows of one block.
TRINE_TARGET_AVX2 void add_rows(const FactorGroup& group, const float* factors,
                                std::size_t num_rows, std::size_t width, float* sums) noexcept {
  for (std::size_t row = 0; row < num_rows; ++row) {
    const __m256 factor = _mm256_set1_ps(factors[row]);
    const __m256 scale = _mm256_set1_ps(group.scales[row]);
    const __m256 zero = _mm256_set1_ps(group.zeros[row]);
    for (std::size_t i = 0; i < width; i += 8) {
      const auto* codes = reinterpret_cast<const __m128i*>(group.codes[row] + i);
      const __m256 code = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(codes)));
      const __m256 weight = _mm256_mul_ps(_mm256_sub_ps(code, zero), scale);
      _mm256_storeu_ps(sums + i, _mm256_fmadd_ps(weight, factor, _mm256_loadu_ps(sums + i)));
    }
  }
}

}  // namespace

void add_low_rank(const PackedMatrixView& left, GroupRange outputs, const float* projected,
                  std::size_t num_tokens, const OutputRows& output) noexcept {
  constexpr std::size_t kMostTokens = 8;  // sums of so many tokens stay in the L1 cache
  const PackedLayout& layout = left.layout;
  const std::size_t rank = layout.out_features, width = layout.group_size;
  FactorGroup unpacked;
  float sums[kMostTokens * kMostGroupSize];
  for (std::size_t group = outputs.begin; group < outputs.end; ++group) {
    const std::size_t first = group * width;
    const std::size_t count = std::min(width, layout.in_features - first);
    for (std::size_t token = 0; token < num_tokens; token += kMostTokens) {
      const std::size_t tokens = std::min(kMostTokens, num_tokens - token);
      std::fill_n(sums, tokens * width, 0.0f);
      for (std::size_t row = 0; row < rank; row += kBlockRows) {
        const std::uint8_t* row_block =
            left.blocks.data() + row / kBlockRows * layout.row_block_bytes();
        with_width(layout.bits,
                   [&](auto bits) { unpack_group<bits>(row_block, layout, group, unpacked); });
        for (std::size_t t = 0; t < tokens; ++t) {
          add_rows(unpacked, projected + (token + t) * rank + row,
                   std::min(kBlockRows, rank - row), width, sums + t * width);
        }
      }
      for (std::size_t t = 0; t < tokens; ++t) {
        float* target = output.data + (token + t) * output.stride + first;
        for (std::size_t i = 0; i < count; ++i) target[i] += sums[t * width + i];
      }
    }
  }
}

}  // namespace trine::kernels::avx2
