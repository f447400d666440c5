// Packed weights times digit inputs on 256-bit registers: eight outputs at a time.
//
// vpmaddubsw multiplies unsigned codes by signed digits and adds pairs into 16 bits. Codes are at
// most 2^bits − 1 and digits at most 127 in size, so several pair sums fit 16 bits before
// vpmaddwd must widen them: 8 of a chunk's 8 operands up to 4 bits (8·2·15·127 = 30480), 4 at 5
// bits (31496), 2 at 6 bits (32004). 8-bit codes are split into nibbles.
#include "kernels/avx2/packed_matmul.h"

#include <immintrin.h>

#include <cstring>

#include "kernels/avx2/target.h"
#include "kernels/avx2/unpack.h"
#include "kernels/block_codec.h"
#include "kernels/each_width.h"
#include "kernels/token_tiles.h"

namespace trine::kernels::avx2 {
namespace {

constexpr std::size_t kPrefetchGroups = 8;

TRINE_INLINE_AVX2 __m256i four_digits(const std::uint8_t* digits) noexcept {
  std::int32_t word = 0;
  std::memcpy(&word, digits, sizeof word);
  return _mm256_set1_epi32(word);
}

/// Σ over the chunk's 32 inputs of code · digit, for eight outputs.
template <int kBits>
TRINE_INLINE_AVX2 __m256i dot_chunk(const __m256i (&q)[8],
                                    const std::uint8_t* digits) noexcept {
  const __m256i ones = _mm256_set1_epi16(1);
  if constexpr (kBits == 8) {
    const __m256i mask = _mm256_set1_epi8(15);
    __m256i low = _mm256_setzero_si256();
    __m256i high = _mm256_setzero_si256();
    for (std::size_t j = 0; j < 8; ++j) {
      const __m256i x = four_digits(digits + 4 * j);
      low = _mm256_add_epi16(low, _mm256_maddubs_epi16(_mm256_and_si256(q[j], mask), x));
      high = _mm256_add_epi16(
          high, _mm256_maddubs_epi16(_mm256_and_si256(shifted<4>(q[j]), mask), x));
    }
    return _mm256_add_epi32(_mm256_madd_epi16(low, ones),
                            _mm256_slli_epi32(_mm256_madd_epi16(high, ones), 4));
  } else {
    constexpr std::size_t kPerWiden = kBits <= 4 ? 8 : kBits == 5 ? 4 : 2;
    __m256i total = _mm256_setzero_si256();
    for (std::size_t first = 0; first < 8; first += kPerWiden) {
      __m256i pairs = _mm256_setzero_si256();
      for (std::size_t j = first; j < first + kPerWiden; ++j) {
        pairs =
            _mm256_add_epi16(pairs, _mm256_maddubs_epi16(q[j], four_digits(digits + 4 * j)));
      }
      total = _mm256_add_epi32(total, _mm256_madd_epi16(pairs, ones));
    }
    return total;
  }
}

/// One group of one half block (eight outputs): outputs[t] += scale · x_scale · (acc − zero · Σx).
template <int kBits, int kTokens, int kDigits>
TRINE_INLINE_AVX2 void add_half_group(const std::uint8_t* row_block, const PackedLayout& layout,
                                      std::size_t group, std::size_t half,
                                      const TokenInput* tokens, __m256* outputs) noexcept {
  const std::uint8_t* lines = row_block + layout.codes_offset(group) + half * kHalfBytes;
  __m256i sums[kTokens][kDigits];
  for (auto& token : sums) {
    for (auto& sum : token) sum = _mm256_setzero_si256();
  }
  for (std::size_t chunk = 0; chunk < layout.num_chunks_per_group(); ++chunk) {
    __m256i q[8];
    unpack<kBits>(lines + chunk * kBits * kLineBytes, q);
    for (std::size_t t = 0; t < kTokens; ++t) {
      const std::uint8_t* digits =
          tokens[t].digits + kDigits * group * layout.group_size + chunk * kChunkInputs;
      for (std::size_t d = 0; d < kDigits; ++d) {
        sums[t][d] =
            _mm256_add_epi32(sums[t][d], dot_chunk<kBits>(q, digits + d * layout.group_size));
      }
    }
  }
  const auto [scales, zeros] = load_metadata(row_block, layout, group, half);
  for (std::size_t t = 0; t < kTokens; ++t) {
    __m256i total = sums[t][0];
    if constexpr (kDigits == 2) {
      total = _mm256_add_epi32(_mm256_slli_epi32(total, 7), sums[t][1]);
    }
    const __m256 centred = _mm256_fnmadd_ps(zeros, _mm256_set1_ps(tokens[t].sums[group]),
                                            _mm256_cvtepi32_ps(total));
    outputs[t] = _mm256_fmadd_ps(_mm256_mul_ps(scales, _mm256_set1_ps(tokens[t].scales[group])),
                                 centred, outputs[t]);
  }
}

template <int kBits, int kTokens, int kDigits>
TRINE_TARGET_AVX2 void multiply_row_block(const RowBlock& row_block, const PackedLayout& layout,
                                          const TokenInput* tokens) noexcept {
  __m256 outputs[2][kTokens];
  for (int t = 0; t < kTokens; ++t) outputs[0][t] = outputs[1][t] = _mm256_setzero_ps();
  const std::size_t group_bytes = layout.codes_bytes() + kLineBytes;
  for (std::size_t group = 0; group < layout.num_groups(); ++group) {
    const std::uint8_t* ahead =
        row_block.blocks + layout.codes_offset(group) + kPrefetchGroups * group_bytes;
    for (std::size_t line = 0; line < group_bytes; line += kLineBytes) {
      _mm_prefetch(reinterpret_cast<const char*>(ahead + line), _MM_HINT_T0);
    }
    for (std::size_t half = 0; half < 2; ++half) {
      add_half_group<kBits, kTokens, kDigits>(row_block.blocks, layout, group, half, tokens,
                                              outputs[half]);
    }
  }
  for (int t = 0; t < kTokens; ++t) {
    alignas(32) float stored[kBlockRows];
    _mm256_store_ps(stored, outputs[0][t]);
    _mm256_store_ps(stored + kHalfRows, outputs[1][t]);
    std::memcpy(tokens[t].output, stored, row_block.num_rows * sizeof(float));
  }
}

template <int kBits, int kDigits>
void multiply_bits(const PackedMatrixView& matrix, RowBlockRange rows,
                   const PreparedInputs& inputs, const OutputRows& output) noexcept {
  const PackedLayout& layout = matrix.layout;
  const auto multiply = [&](const RowBlock& row_block, const TokenInput* tokens,
                            std::size_t count) {
    if (count == 2) return multiply_row_block<kBits, 2, kDigits>(row_block, layout, tokens);
    return multiply_row_block<kBits, 1, kDigits>(row_block, layout, tokens);
  };
  for_each_tile(matrix, rows, inputs, output, 2, multiply);
}

}  // namespace

void packed_matmul(const PackedMatrixView& matrix, RowBlockRange rows,
                   const PreparedInputs& inputs, const OutputRows& output) noexcept {
  with_width(matrix.layout.bits, [&](auto bits) {
    if (inputs.num_digits == 1) return multiply_bits<bits, 1>(matrix, rows, inputs, output);
    return multiply_bits<bits, 2>(matrix, rows, inputs, output);
  });
}

}  // namespace trine::kernels::avx2
