// One token's input as the wide kernels read it: one or two int8 digits per value, one scale per
// group.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "core/packed_matrix.h"
#include "kernels/input_form.h"

namespace trine::kernels {

/// With two digits, for each group g lie group_size high digits, then group_size low digits; after
/// all groups come num_groups scales (fp32) and num_groups digit sums (fp32):
///
///     x[i] ≈ (128 · high[i] + low[i]) · scales[g],   sums[g] = Σ_i (128 · high[i] + low[i])
///
/// high is in [−127, 127], low in [−64, 63]. A digit value is at most 16319 in size, so a sum
/// over 128 inputs stays below 2^21 and is exact in fp32.
///
/// With one digit the low ones are all there is: x[i] ≈ low[i] · scales[g], low in [−127, 127], and the scale
/// is one_digit_scale().
struct DigitLayout {
  std::size_t num_groups = 0;
  std::size_t group_size = 0;
  std::size_t num_digits = 2;

  DigitLayout(std::size_t in_features, std::size_t group, int digits) noexcept
      : num_groups((in_features + group - 1) / group),
        group_size(group),
        num_digits(static_cast<std::size_t>(digits)) {}

  [[nodiscard]] std::size_t scales_offset() const noexcept {
    return num_groups * group_size * num_digits;
  }
  [[nodiscard]] std::size_t sums_offset() const noexcept {
    return scales_offset() + num_groups * sizeof(float);
  }
  [[nodiscard]] std::size_t bytes() const noexcept {
    const std::size_t used = sums_offset() + num_groups * sizeof(float);
    return (used + kLineBytes - 1) / kLineBytes * kLineBytes;
  }
};

/// The largest value `num_digits` digits stand for: 127 or 127 · 128 + 63 = 16319.
[[nodiscard]] constexpr float largest_digit_value(int num_digits) noexcept {
  return num_digits == 1 ? 127.0f : 127.0f * 128.0f + 63.0f;
}

/// Scales of one digit are (8 + k) / 8 · 2^e, k from 0 to 7: bits of their fp32 below this one are zero.
/// So products with them need an addition to an exponent and eight products made before, which prefill
/// is a twentieth faster for (avx512vnni/one_digit_tile_body.h). On average, steps are 4.7 % larger than they
/// would be with the exact scale.
inline constexpr std::size_t kNumScaleSteps = 8;
inline constexpr int kScaleStepBit = 20;

/// The smallest such scale that gives `largest`, the largest magnitude of a group, a digit of 127 at most; 0 for
/// less than 127 · 2^-62 and NaN. Beyond 127 · 2^62 inputs count as that, so that exponents stay in range.
[[nodiscard]] inline float one_digit_scale(float largest) noexcept {
  constexpr std::uint32_t kBelowStep = (1u << kScaleStepBit) - 1;
  const float exact = largest / largest_digit_value(1);
  if (!(exact >= 0x1p-62f)) return 0.0f;
  const auto bits = std::bit_cast<std::uint32_t>(std::min(exact, 0x1p62f));
  return std::bit_cast<float>((bits + kBelowStep) & ~kBelowStep);
}

/// The scale of a group's digits, and what a value is multiplied by to become digits.
struct DigitScale {
  float scale, inverse;
};

template <int kDigits>
[[nodiscard]] inline DigitScale digit_scale(float largest) noexcept {
  if constexpr (kDigits == 1) {
    const float scale = one_digit_scale(largest);
    return {scale, scale > 0.0f ? 1.0f / scale : 0.0f};
  }
  // Below this the inverse would overflow; such values count as zero.
  constexpr float kTiny = 1e-30f, kMost = largest_digit_value(2);
  if (!(largest > kTiny)) return {0.0f, 0.0f};
  return {largest / kMost, kMost / largest};
}

[[nodiscard]] inline std::size_t digit_bytes(std::size_t in_features, std::size_t group_size,
                                             InputForm form) noexcept {
  return DigitLayout(in_features, group_size, digits_of(form)).bytes();
}

}  // namespace trine::kernels
