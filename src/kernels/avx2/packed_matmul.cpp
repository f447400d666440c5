// Packed weights times digit inputs on 256-bit registers: eight outputs at a time.
//
// vpmaddubsw multiplies unsigned codes by signed digits and adds pairs into 16 bits. Codes are at
// most 2^bits − 1 and digits at most 127 in size, so several pair sums fit 16 bits before
// vpmaddwd must widen them: the 16 operands of two chunks up to 3 bits (16·2·7·127 = 28448), the 8 of
// one chunk at 4 bits (30480), 4 at 5 bits (31496), 2 at 6 bits (32004). 8-bit codes are split
// into nibbles.
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

/// How far ahead lines are asked for: eight groups at 3 bits.
constexpr std::size_t kFetchAheadBytes = 3584;

TRINE_INLINE_AVX2 __m256i four_digits(const std::uint8_t* digits) noexcept {
  std::int32_t word = 0;
  std::memcpy(&word, digits, sizeof word);
  return _mm256_set1_epi32(word);
}

/// Σ over the chunk's 32 inputs of code · digit for eight outputs; 5 bits and more.
template <int kBits>
TRINE_INLINE_AVX2 __m256i dot_chunk(const __m256i (&q)[8],
                                    const std::uint8_t* digits) noexcept {
  static_assert(kBits > 4);
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
    constexpr std::size_t kPerWiden = kBits == 5 ? 4 : 2;
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

/// Operand `index` of a chunk, at most 4 bits: unpack() one by one, so that few registers do.
template <int kBits>
TRINE_INLINE_AVX2 __m256i operand(const std::uint8_t* lines, std::size_t index) noexcept {
  static_assert(kBits <= 4);
  if constexpr (kBits == 3) {
    if (index >= 6) {
      const __m256i low = _mm256_srli_epi16(load(lines + (index - 6) * kLineBytes), 6);
      const __m256i high =
          _mm256_srli_epi16(load(lines + 2 * kLineBytes), static_cast<int>(index) - 2);
      return _mm256_or_si256(_mm256_and_si256(low, _mm256_set1_epi8(3)),
                             _mm256_and_si256(high, _mm256_set1_epi8(4)));
    }
  }
  constexpr std::size_t kPerLine = kBits == 2 ? 4 : 2;
  const auto place = static_cast<int>(index % kPerLine) * kBits;
  const __m256i line = load(lines + index / kPerLine * kLineBytes);
  return _mm256_and_si256(place == 0 ? line : _mm256_srli_epi16(line, place),
                          _mm256_set1_epi8((1 << kBits) - 1));
}

/// Sums of one group by half of the block, token and digit.
template <int kTokens, int kDigits>
struct DigitSums {
  __m256i of[2][kTokens][kDigits];
};

/// Adds one chunk, or two whose pairs fit 16 bits together; at most 4 bits. Both halves of the block
/// side by side, so that a broadcast digit feeds two multiplications.
template <int kBits, std::size_t kChunks, int kTokens, int kDigits>
TRINE_INLINE_AVX2 void add_chunks(const std::uint8_t* lines,
                                  const std::uint8_t* const (&digits)[kTokens],
                                  std::size_t first, std::size_t group_size,
                                  DigitSums<kTokens, kDigits>& sums) noexcept {
  __m256i pairs[2][kTokens][kDigits];
#pragma GCC unroll 2
  for (auto& half : pairs) {
#pragma GCC unroll 2
    for (auto& token : half) {
#pragma GCC unroll 2
      for (auto& pair : token) pair = _mm256_setzero_si256();
    }
  }
#pragma GCC unroll 2
  for (std::size_t chunk = 0; chunk < kChunks; ++chunk) {
#pragma GCC unroll 8
    for (std::size_t j = 0; j < 8; ++j) {
      const std::uint8_t* at = lines + chunk * kBits * kLineBytes;
      const __m256i q[2] = {operand<kBits>(at, j), operand<kBits>(at + kHalfBytes, j)};
#pragma GCC unroll 2
      for (std::size_t t = 0; t < kTokens; ++t) {
#pragma GCC unroll 2
        for (std::size_t d = 0; d < kDigits; ++d) {
          const __m256i x =
              four_digits(digits[t] + first + d * group_size + chunk * kChunkInputs + 4 * j);
#pragma GCC unroll 2
          for (std::size_t half = 0; half < 2; ++half) {
            __m256i& pair = pairs[half][t][d];
            pair = _mm256_add_epi16(pair, _mm256_maddubs_epi16(q[half], x));
            // Else g++ 12 adds the products up as a tree, and spills half of them.
            asm("" : "+x"(pair));
          }
        }
      }
    }
  }
#pragma GCC unroll 2
  for (std::size_t half = 0; half < 2; ++half) {
#pragma GCC unroll 2
    for (std::size_t t = 0; t < kTokens; ++t) {
#pragma GCC unroll 2
      for (std::size_t d = 0; d < kDigits; ++d) {
        sums.of[half][t][d] = _mm256_add_epi32(
            sums.of[half][t][d], _mm256_madd_epi16(pairs[half][t][d], _mm256_set1_epi16(1)));
      }
    }
  }
}

/// Adds one chunk of 5 bits and more.
template <int kBits, int kTokens, int kDigits>
TRINE_INLINE_AVX2 void add_wide_chunk(const std::uint8_t* lines,
                                      const std::uint8_t* const (&digits)[kTokens],
                                      std::size_t first, std::size_t group_size,
                                      DigitSums<kTokens, kDigits>& sums) noexcept {
  for (std::size_t half = 0; half < 2; ++half) {
    __m256i q[8];
    unpack<kBits>(lines + half * kHalfBytes, q);
    for (std::size_t t = 0; t < kTokens; ++t) {
      for (std::size_t d = 0; d < kDigits; ++d) {
        sums.of[half][t][d] = _mm256_add_epi32(
            sums.of[half][t][d], dot_chunk<kBits>(q, digits[t] + first + d * group_size));
      }
    }
  }
}

/// Sums of a group of kChunks chunks.
template <int kBits, std::size_t kChunks, int kTokens, int kDigits>
TRINE_INLINE_AVX2 DigitSums<kTokens, kDigits> sums_of(
    const std::uint8_t* lines, const std::uint8_t* const (&digits)[kTokens]) noexcept {
  constexpr std::size_t kTogether = kBits <= 3 && kChunks > 1 ? 2 : 1;
  constexpr std::size_t kGroupSize = kChunks * kChunkInputs;
  DigitSums<kTokens, kDigits> sums;
#pragma GCC unroll 2
  for (auto& half : sums.of) {
#pragma GCC unroll 2
    for (auto& token : half) {
#pragma GCC unroll 2
      for (auto& sum : token) sum = _mm256_setzero_si256();
    }
  }
  for (std::size_t chunk = 0; chunk < kChunks; chunk += kTogether) {
    const std::uint8_t* at = lines + chunk * kBits * kLineBytes;
    if constexpr (kBits > 4) {
      add_wide_chunk<kBits>(at, digits, chunk * kChunkInputs, kGroupSize, sums);
    } else {
      add_chunks<kBits, kTogether>(at, digits, chunk * kChunkInputs, kGroupSize, sums);
    }
  }
  return sums;
}

/// outputs[t] + scale · x_scale · (Σ code·digit − zero · Σ digit) for eight outputs of one group.
template <int kTokens, int kDigits>
TRINE_INLINE_AVX2 void add_scaled(const __m256i (&sums)[kTokens][kDigits],
                                  const Metadata& metadata, const TokenInput* tokens,
                                  std::size_t group, __m256 (&outputs)[kTokens]) noexcept {
#pragma GCC unroll 2
  for (std::size_t t = 0; t < kTokens; ++t) {
    __m256i total = sums[t][0];
    if constexpr (kDigits == 2) {
      total = _mm256_add_epi32(_mm256_slli_epi32(total, 7), sums[t][1]);
    }
    const __m256 centred = _mm256_fnmadd_ps(
        metadata.zeros, _mm256_set1_ps(tokens[t].sums[group]), _mm256_cvtepi32_ps(total));
    outputs[t] =
        _mm256_fmadd_ps(_mm256_mul_ps(metadata.scales, _mm256_set1_ps(tokens[t].scales[group])),
                        centred, outputs[t]);
  }
}

template <int kBits, std::size_t kChunks, int kTokens, int kDigits>
TRINE_TARGET_AVX2 void multiply_row_block(const RowBlock& row_block, const PackedLayout& layout,
                                          const TokenInput* tokens) noexcept {
  constexpr std::size_t kCodes = kChunks * kBits * kLineBytes;
  __m256 outputs[2][kTokens];
  const std::uint8_t* digits[kTokens];
#pragma GCC unroll 2
  for (std::size_t t = 0; t < kTokens; ++t) {
    outputs[0][t] = outputs[1][t] = _mm256_setzero_ps();
    digits[t] = tokens[t].digits;
  }
  const bool is_wide = layout.metadata_bits == 16;
  const std::size_t groups = layout.num_groups();
  const std::uint8_t* lines = row_block.blocks + layout.codes_offset(0);
  for (std::size_t group = 0; group < groups; ++group) {
#pragma GCC unroll 40
    for (std::size_t line = 0; line <= kCodes; line += kLineBytes) {
      _mm_prefetch(reinterpret_cast<const char*>(lines + kFetchAheadBytes + line), _MM_HINT_T0);
    }
    const auto sums = sums_of<kBits, kChunks, kTokens, kDigits>(lines, digits);
    const std::uint8_t* metadata =
        is_wide ? lines + kCodes : row_block.blocks + layout.metadata_offset(group);
#pragma GCC unroll 2
    for (std::size_t half = 0; half < 2; ++half) {
      const Metadata loaded =
          is_wide ? load_halves(metadata, half)
                  : load_bytes(row_block.blocks, metadata, half, middle_code(kBits));
      add_scaled(sums.of[half], loaded, tokens, group, outputs[half]);
    }
    lines += kCodes + (is_wide || group % 2 == 1 ? kLineBytes : 0);
#pragma GCC unroll 2
    for (auto& token : digits) token += kDigits * kChunks * kChunkInputs;
  }
  for (std::size_t t = 0; t < kTokens; ++t) {
    alignas(32) float stored[kBlockRows];
    _mm256_store_ps(stored, outputs[0][t]);
    _mm256_store_ps(stored + kHalfRows, outputs[1][t]);
    std::memcpy(tokens[t].output, stored, row_block.num_rows * sizeof(float));
  }
}

template <int kBits, std::size_t kChunks, int kDigits>
void multiply_chunks(const PackedMatrixView& matrix, RowBlockRange rows,
                     const PreparedInputs& inputs, const OutputRows& output) noexcept {
  const PackedLayout& layout = matrix.layout;
  const auto multiply = [&](const RowBlock& row_block, const TokenInput* tokens,
                            std::size_t count) {
    if (count == 2) {
      return multiply_row_block<kBits, kChunks, 2, kDigits>(row_block, layout, tokens);
    }
    return multiply_row_block<kBits, kChunks, 1, kDigits>(row_block, layout, tokens);
  };
  for_each_tile(matrix, rows, inputs, output, 2, multiply);
}

template <int kBits, int kDigits>
void multiply_bits(const PackedMatrixView& matrix, RowBlockRange rows,
                   const PreparedInputs& inputs, const OutputRows& output) noexcept {
  switch (matrix.layout.num_chunks_per_group()) {
    case 1: return multiply_chunks<kBits, 1, kDigits>(matrix, rows, inputs, output);
    case 2: return multiply_chunks<kBits, 2, kDigits>(matrix, rows, inputs, output);
    default: return multiply_chunks<kBits, 4, kDigits>(matrix, rows, inputs, output);
  }
}

}  // namespace

void packed_matmul(const PackedMatrixView& matrix, RowBlockRange rows,
                   const PreparedInputs& inputs, const OutputRows& output) noexcept {
  with_width(matrix.layout.bits, [&](auto bits) {
    if (digits_of(inputs.form) == 1)
      return multiply_bits<bits, 1>(matrix, rows, inputs, output);
    return multiply_bits<bits, 2>(matrix, rows, inputs, output);
  });
}

}  // namespace trine::kernels::avx2
