// Splits fp32 inputs into one or two int8 digits per value (see digit_layout.h), the same digits as
// avx2/prepare_digits.cpp in half the time.
#include <algorithm>

#include "kernels/avx2/dense.h"
#include "kernels/avx512/dense.h"
#include "kernels/avx512_intrinsics.h"
#include "kernels/digit_groups.h"

#define TRINE_TARGET_AVX512 \
  __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq")))

namespace trine::kernels::avx512 {
namespace {

/// Values taken together: as many as a register has bytes. Groups of 32 leave the other half zero.
constexpr std::size_t kValues = 64, kPerRegister = 16;

struct Values {
  __m512 of[kValues / kPerRegister];
};

struct Integers {
  __m512i of[kValues / kPerRegister];
};

TRINE_INLINE_AVX512 Values load(const float* values, std::size_t count) noexcept {
  const __mmask16 second = count < kValues ? 0 : 0xFFFF;
  return {{_mm512_loadu_ps(values), _mm512_loadu_ps(values + 16),
           _mm512_maskz_loadu_ps(second, values + 32),
           _mm512_maskz_loadu_ps(second, values + 48)}};
}

/// Stores integers that all fit int8 as bytes, the first `count` of them.
TRINE_INLINE_AVX512 void store_bytes(std::int8_t* target, const Integers& integers,
                                     std::size_t count) noexcept {
  const __m512i first = _mm512_packs_epi32(integers.of[0], integers.of[1]);
  const __m512i second = _mm512_packs_epi32(integers.of[2], integers.of[3]);
  // Packing goes by 128 bits: four bytes of each register, then the next four of each.
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i bytes = _mm512_permutexvar_epi32(order, _mm512_packs_epi16(first, second));
  if (count < kValues) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(target), _mm512_castsi512_si256(bytes));
  } else {
    _mm512_storeu_si512(target, bytes);
  }
}

TRINE_INLINE_AVX512 float largest_magnitude(const float* values, std::size_t count) noexcept {
  __m512 largest = _mm512_setzero_ps();
  for (std::size_t i = 0; i < count; i += kValues) {
    const Values some = load(values + i, count - i);
#pragma GCC unroll 4
    for (const __m512& part : some.of) largest = _mm512_max_ps(largest, _mm512_abs_ps(part));
  }
  return _mm512_reduce_max_ps(largest);
}

/// Writes a group's digits and returns their sums by lane.
template <int kDigits>
TRINE_INLINE_AVX512 __m512i write_digits(const float* values, std::size_t count, float inverse,
                                         std::int8_t* digits) noexcept {
  const __m512 factor = _mm512_set1_ps(inverse);
  const __m512 most = _mm512_set1_ps(largest_digit_value(kDigits));
  const __m512 least = _mm512_set1_ps(-largest_digit_value(kDigits));
  __m512i total = _mm512_setzero_si512();
  for (std::size_t i = 0; i < count; i += kValues) {
    const Values some = load(values + i, count - i);
    Integers high, low;
#pragma GCC unroll 4
    for (std::size_t part = 0; part < kValues / kPerRegister; ++part) {
      const __m512 steps = _mm512_mul_ps(some.of[part], factor);
      // Only inputs beyond the largest scale reach beyond.
      const __m512i value =
          _mm512_cvtps_epi32(_mm512_max_ps(_mm512_min_ps(steps, most), least));
      low.of[part] = value;
      if constexpr (kDigits == 2) {
        high.of[part] = _mm512_srai_epi32(_mm512_add_epi32(value, _mm512_set1_epi32(64)), 7);
        low.of[part] = _mm512_sub_epi32(value, _mm512_slli_epi32(high.of[part], 7));
      }
      total = _mm512_add_epi32(total, value);
    }
    if constexpr (kDigits == 2) store_bytes(digits + i, high, count - i);
    store_bytes(digits + (kDigits - 1) * count + i, low, count - i);
  }
  return total;
}

/// Groups that have their scales found before the first has its digits made: one waits for the other some 60 clocks,
/// and what waits would keep the next group out of the schedulers.
constexpr std::size_t kTogether = 8;

template <int kDigits>
TRINE_TARGET_AVX512 void split_groups(const DigitGroups& groups) noexcept {
  for (std::size_t begin = 0; begin < groups.count; begin += kTogether) {
    const std::size_t end = std::min(begin + kTogether, groups.count);
    float inverses[kTogether];
    for (std::size_t group = begin; group < end; ++group) {
      const DigitScale scale = digit_scale<kDigits>(
          largest_magnitude(groups.values + group * groups.size, groups.size));
      groups.scales[group] = scale.scale;
      inverses[group - begin] = scale.inverse;
    }
    for (std::size_t group = begin; group < end; ++group) {
      const std::size_t first = group * groups.size;
      const __m512i total =
          write_digits<kDigits>(groups.values + first, groups.size, inverses[group - begin],
                                groups.digits + kDigits * first);
      groups.sums[group] = static_cast<float>(_mm512_reduce_add_epi32(total));
    }
  }
}

}  // namespace

void prepare_digits(const float* input, std::size_t in_features, std::size_t group_size,
                    InputForm form, std::uint8_t* prepared) noexcept {
  const auto split = digits_of(form) == 1 ? split_groups<1> : split_groups<2>;
  prepare_digit_groups(input, in_features, group_size, form, prepared, avx2::round_to_bf16,
                       split);
}

}  // namespace trine::kernels::avx512
