// Splits fp32 inputs into one or two int8 digits per value (see digit_layout.h).
#include <immintrin.h>

#include "kernels/avx2/dense.h"
#include "kernels/avx2/target.h"
#include "kernels/digit_groups.h"

namespace trine::kernels::avx2 {
namespace {

TRINE_INLINE_AVX2 float largest_magnitude(const float* values, std::size_t count) noexcept {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  __m256 largest = _mm256_setzero_ps();
  for (std::size_t i = 0; i < count; i += 8) {
    largest = _mm256_max_ps(largest, _mm256_andnot_ps(sign, _mm256_loadu_ps(values + i)));
  }
  const __m128 four =
      _mm_max_ps(_mm256_castps256_ps128(largest), _mm256_extractf128_ps(largest, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

/// Eight 32-bit values to eight bytes; all fit int8, so saturation never acts.
TRINE_INLINE_AVX2 void store_bytes(std::int8_t* target, __m256i values) noexcept {
  const __m128i words =
      _mm_packs_epi32(_mm256_castsi256_si128(values), _mm256_extracti128_si256(values, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(target), _mm_packs_epi16(words, words));
}

TRINE_INLINE_AVX2 std::int32_t add_lanes(__m256i values) noexcept {
  const __m128i four =
      _mm_add_epi32(_mm256_castsi256_si128(values), _mm256_extracti128_si256(values, 1));
  const __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4E));
  return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xB1)));
}

template <int kDigits>
TRINE_INLINE_AVX2 void split_group(const float* values, std::size_t count, std::int8_t* digits,
                                   float& scale, float& sum) noexcept {
  const DigitScale scaling = digit_scale<kDigits>(largest_magnitude(values, count));
  const __m256 factor = _mm256_set1_ps(scaling.inverse);
  constexpr float kMost = largest_digit_value(kDigits);
  __m256i total = _mm256_setzero_si256();
  for (std::size_t i = 0; i < count; i += 8) {
    const __m256 steps = _mm256_mul_ps(_mm256_loadu_ps(values + i), factor);
    // Only inputs beyond the largest scale reach beyond.
    const __m256i value = _mm256_cvtps_epi32(
        _mm256_max_ps(_mm256_min_ps(steps, _mm256_set1_ps(kMost)), _mm256_set1_ps(-kMost)));
    __m256i low = value;
    if constexpr (kDigits == 2) {
      const __m256i upper =
          _mm256_srai_epi32(_mm256_add_epi32(value, _mm256_set1_epi32(64)), 7);
      store_bytes(digits + i, upper);
      low = _mm256_sub_epi32(value, _mm256_slli_epi32(upper, 7));
    }
    store_bytes(digits + (kDigits - 1) * count + i, low);
    total = _mm256_add_epi32(total, value);
  }
  scale = scaling.scale;
  sum = static_cast<float>(add_lanes(total));
}

template <int kDigits>
TRINE_TARGET_AVX2 void split_groups(const DigitGroups& groups) noexcept {
  for (std::size_t i = 0; i < groups.count; ++i) {
    split_group<kDigits>(groups.values + i * groups.size, groups.size,
                         groups.digits + kDigits * i * groups.size, groups.scales[i],
                         groups.sums[i]);
  }
}

}  // namespace

TRINE_TARGET_AVX2 void round_to_bf16(const float* values, std::size_t count,
                                     float* rounded) noexcept {
  for (std::size_t i = 0; i < count; i += 8) {
    const __m256i bits = _mm256_castps_si256(_mm256_loadu_ps(values + i));
    const __m256i is_odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i raised =
        _mm256_add_epi32(bits, _mm256_add_epi32(is_odd, _mm256_set1_epi32(0x7FFF)));
    const __m256i kept = _mm256_and_si256(raised, _mm256_set1_epi32(-0x10000));
    _mm256_storeu_ps(rounded + i, _mm256_castsi256_ps(kept));
  }
}

void prepare_digits(const float* input, std::size_t in_features, std::size_t group_size,
                    InputForm form, std::uint8_t* prepared) noexcept {
  const auto split = digits_of(form) == 1 ? split_groups<1> : split_groups<2>;
  prepare_digit_groups(input, in_features, group_size, form, prepared, round_to_bf16, split);
}

}  // namespace trine::kernels::avx2
