// One token's input as the wide kernels read it: one or two int8 digits per value, one scale per
// group.
#pragma once

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
/// With one digit the low ones are all there is: x[i] ≈ low[i] · scales[g], low in [−127, 127].
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

[[nodiscard]] inline std::size_t digit_bytes(std::size_t in_features, std::size_t group_size,
                                             InputForm form) noexcept {
  return DigitLayout(in_features, group_size, digits_of(form)).bytes();
}

}  // namespace trine::kernels
