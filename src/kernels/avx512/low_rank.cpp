// The epilogue of a compensator on 512-bit registers without VNNI.
#include <cstring>

#include "kernels/avx512/packed_matmul.h"
#include "kernels/avx512_intrinsics.h"
#include "kernels/block_codec.h"
#include "kernels/digit_layout.h"
#include "kernels/each_width.h"

#define TRINE_TARGET_AVX512 \
  __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq")))

namespace trine::kernels::avx512 {
namespace {

#include "kernels/avx512/unpack_body.h"

/// vpmaddubsw adds pairs into 16 bits: up to 6 bits a pair fits (2 · 63 · 127), 8-bit codes are
/// split into nibbles.
template <int kBits>
TRINE_INLINE_AVX512 __m512i dot(__m512i sum, __m512i codes, __m512i digits) noexcept {
  const __m512i ones = _mm512_set1_epi16(1);
  if constexpr (kBits == 8) {
    const __m512i low = _mm512_maddubs_epi16(field<0, 4>(codes), digits);
    const __m512i high = _mm512_maddubs_epi16(field<4, 4>(codes), digits);
    sum = _mm512_add_epi32(sum, _mm512_madd_epi16(high, _mm512_set1_epi16(16)));
    return _mm512_add_epi32(sum, _mm512_madd_epi16(low, ones));
  } else {
    const __m512i pairs = _mm512_maddubs_epi16(codes, digits);
    return _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, ones));
  }
}

#include "kernels/avx512/low_rank_body.h"

}  // namespace

void add_low_rank(const PackedMatrixView& left, GroupRange outputs, const float* projected,
                  std::size_t num_tokens, const OutputRows& output) noexcept {
  with_width(left.layout.bits, [&](auto bits) {
    add_groups<bits>(left, outputs, projected, num_tokens, output);
  });
}

}  // namespace trine::kernels::avx512
