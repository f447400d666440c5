// Packed weights times digit inputs on 512-bit registers without VNNI: vpmaddubsw and vpmaddwd, as
// in avx2/packed_matmul.cpp, which also explains the 16-bit limits.
#include "kernels/avx512/packed_matmul.h"

#include <cstring>

#include "kernels/avx512_intrinsics.h"
#include "kernels/block_codec.h"
#include "kernels/each_width.h"
#include "kernels/token_tiles.h"

#define TRINE_TARGET_AVX512 \
  __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq")))

namespace trine::kernels::avx512 {
namespace {

#include "kernels/avx512/unpack_body.h"

constexpr std::size_t kPrefetchGroups = 8;

/// total + Σ over the chunk's 32 inputs of code · digit, for sixteen outputs.
template <int kBits>
TRINE_INLINE_AVX512 __m512i add_chunk(__m512i total, const __m512i (&q)[8],
                                      const std::uint8_t* digits) noexcept {
  if constexpr (kBits == 8) {
    const __m512i mask = in_every_byte(15);
    __m512i low = _mm512_setzero_si512();
    __m512i high = _mm512_setzero_si512();
    for (std::size_t j = 0; j < 8; ++j) {
      const __m512i x = four_digits(digits + 4 * j);
      low = _mm512_add_epi16(low, _mm512_maddubs_epi16(_mm512_and_si512(q[j], mask), x));
      high = _mm512_add_epi16(high, _mm512_maddubs_epi16(field<4, 4>(q[j]), x));
    }
    total = _mm512_add_epi32(total, _mm512_madd_epi16(low, _mm512_set1_epi16(1)));
    return _mm512_add_epi32(total, _mm512_madd_epi16(high, _mm512_set1_epi16(16)));
  } else {
    constexpr std::size_t kPerWiden = kBits <= 4 ? 8 : kBits == 5 ? 4 : 2;
    for (std::size_t first = 0; first < 8; first += kPerWiden) {
      __m512i pairs = _mm512_setzero_si512();
      for (std::size_t j = first; j < first + kPerWiden; ++j) {
        pairs =
            _mm512_add_epi16(pairs, _mm512_maddubs_epi16(q[j], four_digits(digits + 4 * j)));
      }
      total = _mm512_add_epi32(total, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
    }
    return total;
  }
}

TRINE_INLINE_AVX512 Metadata metadata_of(const std::uint8_t* row_block,
                                         const PackedLayout& layout,
                                         std::size_t group) noexcept {
  const std::uint8_t* source = row_block + layout.metadata_offset(group);
  if (layout.metadata_bits == 16) return load_halves(source);
  return load_metadata<false>(source, load_halves(row_block), middle_code(layout.bits));
}

template <int kBits, int kTokens, int kDigits>
TRINE_INLINE_AVX512 void add_group(const std::uint8_t* row_block, const PackedLayout& layout,
                                   std::size_t group, const TokenInput* tokens,
                                   __m512* outputs) noexcept {
  const std::uint8_t* lines = row_block + layout.codes_offset(group);
  __m512i sums[kTokens][kDigits];
  for (auto& token : sums) {
    for (auto& sum : token) sum = _mm512_setzero_si512();
  }
  for (std::size_t chunk = 0; chunk < layout.num_chunks_per_group(); ++chunk) {
    __m512i q[8];
    unpack<kBits>(lines + chunk * kBits * kLineBytes, q);
    for (std::size_t t = 0; t < kTokens; ++t) {
      const std::uint8_t* digits =
          tokens[t].digits + kDigits * group * layout.group_size + chunk * kChunkInputs;
      for (std::size_t d = 0; d < kDigits; ++d) {
        sums[t][d] = add_chunk<kBits>(sums[t][d], q, digits + d * layout.group_size);
      }
    }
  }
  const Metadata metadata = metadata_of(row_block, layout, group);
  for (std::size_t t = 0; t < kTokens; ++t) {
    __m512i total = sums[t][0];
    if constexpr (kDigits == 2) {
      total = _mm512_add_epi32(_mm512_slli_epi32(total, 7), sums[t][1]);
    }
    outputs[t] = add_scaled(total, metadata, in_every_lane(tokens[t].scales + group),
                            in_every_lane(tokens[t].sums + group), outputs[t]);
  }
}

template <int kBits, int kTokens, int kDigits>
TRINE_TARGET_AVX512 void multiply_row_block(const RowBlock& row_block,
                                            const PackedLayout& layout,
                                            const TokenInput* tokens) noexcept {
  __m512 outputs[kTokens];
  for (auto& output : outputs) output = _mm512_setzero_ps();
  const std::size_t group_bytes = layout.codes_bytes() + kLineBytes;
  for (std::size_t group = 0; group < layout.num_groups(); ++group) {
    const std::uint8_t* ahead =
        row_block.blocks + layout.codes_offset(group) + kPrefetchGroups * group_bytes;
    for (std::size_t line = 0; line < group_bytes; line += kLineBytes) {
      _mm_prefetch(reinterpret_cast<const char*>(ahead + line), _MM_HINT_T0);
    }
    add_group<kBits, kTokens, kDigits>(row_block.blocks, layout, group, tokens, outputs);
  }
  const auto present = static_cast<__mmask16>((1u << row_block.num_rows) - 1u);
  for (std::size_t t = 0; t < kTokens; ++t) {
    _mm512_mask_storeu_ps(tokens[t].output, present, outputs[t]);
  }
}

template <int kBits, int kDigits>
void multiply_bits(const PackedMatrixView& matrix, RowBlockRange rows,
                   const PreparedInputs& inputs, const OutputRows& output) noexcept {
  const PackedLayout& layout = matrix.layout;
  const auto multiply = [&](const RowBlock& row_block, const TokenInput* tokens,
                            std::size_t count) {
    if (count == 4) return multiply_row_block<kBits, 4, kDigits>(row_block, layout, tokens);
    if (count == 2) return multiply_row_block<kBits, 2, kDigits>(row_block, layout, tokens);
    return multiply_row_block<kBits, 1, kDigits>(row_block, layout, tokens);
  };
  // Four tokens: 8 operands + 8 integer sums + 4 float sums + constants fill 32 registers.
  for_each_tile(matrix, rows, inputs, output, 4, multiply);
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

}  // namespace trine::kernels::avx512
