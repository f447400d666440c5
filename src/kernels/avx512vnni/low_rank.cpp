// The epilogue of a compensator with VNNI.
#include <cstring>

#include "kernels/avx512_intrinsics.h"
#include "kernels/avx512vnni/packed_matmul.h"
#include "kernels/block_codec.h"
#include "kernels/digit_layout.h"
#include "kernels/each_width.h"

#define TRINE_TARGET_AVX512 \
  __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))

namespace trine::kernels::avx512vnni {
namespace {

#include "kernels/avx512/unpack_body.h"

template <int kBits>
TRINE_INLINE_AVX512 __m512i dot(__m512i sum, __m512i codes, __m512i digits) noexcept {
  return _mm512_dpbusd_epi32(sum, codes, digits);
}

#include "kernels/avx512/low_rank_body.h"

}  // namespace

void add_low_rank(const PackedMatrixView& left, GroupRange outputs, const float* projected,
                  std::size_t num_tokens, const OutputRows& output) noexcept {
  with_width(left.layout.bits, [&](auto bits) {
    add_groups<bits>(left, outputs, projected, num_tokens, output);
  });
}

}  // namespace trine::kernels::avx512vnni
