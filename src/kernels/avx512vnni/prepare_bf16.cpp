// Rounds fp32 inputs to bf16 (see bf16_layout.h).
#include <algorithm>

#include "kernels/avx512_intrinsics.h"
#include "kernels/avx512vnni/bf16_matmul.h"
#include "kernels/bf16_layout.h"

#define TRINE_TARGET_BF16 \
  __attribute__((target("avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")))

namespace trine::kernels::avx512vnni {
namespace {

constexpr std::size_t kLanes = 16;

/// Sixteen inputs, those below `present` of them from memory and zeros for the others.
TRINE_TARGET_BF16 __m512 load_present(const float* input, std::size_t present) noexcept {
  const std::size_t count = std::min(present, kLanes);
  return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1u), input);
}

/// Writes one group, `present` values of it from memory, and returns the sum of the rounded ones.
TRINE_TARGET_BF16 float round_group(const float* input, std::size_t present,
                                    std::size_t group_size, std::uint8_t* target) noexcept {
  const __m256i exchanged = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15));
  __m512 sum = _mm512_setzero_ps();
  for (std::size_t i = 0; i < group_size; i += kLanes) {
    const __m512 values = load_present(input + i, present > i ? present - i : 0);
    const auto rounded = __builtin_bit_cast(__m256i, _mm512_cvtneps_pbh(values));
    const __m512i widened = _mm512_slli_epi32(_mm512_cvtepu16_epi32(rounded), 16);
    sum = _mm512_add_ps(sum, _mm512_castsi512_ps(widened));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(target + i * sizeof(std::uint16_t)),
                        _mm256_shuffle_epi8(rounded, exchanged));
  }
  return _mm512_reduce_add_ps(sum);
}

}  // namespace

void prepare_bf16(const float* input, std::size_t in_features, std::size_t group_size,
                  std::uint8_t* prepared) noexcept {
  const Bf16Layout layout(in_features, group_size);
  auto* sums = reinterpret_cast<float*>(prepared + layout.sums_offset());
  for (std::size_t group = 0; group < layout.num_groups; ++group) {
    const std::size_t first = group * group_size;
    sums[group] = round_group(input + first, std::min(group_size, in_features - first),
                              group_size, prepared + first * sizeof(std::uint16_t));
  }
}

}  // namespace trine::kernels::avx512vnni
