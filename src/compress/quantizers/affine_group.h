// One group of weights on an affine grid: w ≈ (code − zero) · scale.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/dtype.h"

namespace trine::compress {

/// Scale and zero of one group. The quantizers work with fp32 values and round them to fp16 when
/// they store them.
struct AffineGroup {
  float scale = 1.0f;
  float zero = 0.0f;
};

/// Largest zero we store, in code steps. fp16 keeps it to half a step; a group farther from 0
/// than that gets a coarser scale instead, which costs at most 1/2046 of its largest weight.
inline constexpr float kLargestZero = 1023.0f;

/// Smallest scale we store: 2^-24, the smallest fp16 above 0.
inline constexpr float kSmallestScale = 0x1p-24f;

struct Range {
  float low = 0.0f;
  float high = 0.0f;
  [[nodiscard]] float magnitude() const noexcept { return std::max(-low, high); }
};

[[nodiscard]] inline Range range_of(std::span<const float> weights) noexcept {
  Range range{weights[0], weights[0]};
  for (const float weight : weights) {
    range.low = weight < range.low ? weight : range.low;
    range.high = weight > range.high ? weight : range.high;
  }
  return range;
}

/// The nearest fp16 number.
[[nodiscard]] inline float rounded_to_f16(float value) noexcept {
  return f16_to_float(float_to_f16(value));
}

/// round(value), ties to even, limited to [0, max_code]. Adding and taking away 1.5 · 2^23
/// leaves the rounding to the adder and is vectorised on every processor.
[[nodiscard]] inline float nearest_code(float value, float max_code) noexcept {
  constexpr float kMagic = 0x1.8p23f;
  const float low = value > 0.0f ? value : 0.0f;
  const float limited = low < max_code ? low : max_code;
  return (limited + kMagic) - kMagic;
}

/// A group whose weights are all equal, stored exactly when the value is an fp16 number:
/// code 0 means −zero · scale = value. A group of zeros takes the smallest scale, because with
/// 8-bit metadata the largest scale of a row decides how finely all its scales are kept.
[[nodiscard]] inline AffineGroup flat_group(float value) noexcept {
  if (value == 0.0f) return {kSmallestScale, 0.0f};
  return {value > 0.0f ? value : -value, value > 0.0f ? -1.0f : 1.0f};
}

/// True when fp16 can hold this scale and zero well (see kLargestZero).
[[nodiscard]] inline bool is_storable(const AffineGroup& group) noexcept {
  return group.scale >= kSmallestScale && group.zero <= kLargestZero &&
         group.zero >= -kLargestZero;
}

/// Min/max grid with fp16 scale and zero; codes are meant to be rounded against these values.
[[nodiscard]] inline AffineGroup min_max_group(Range range, float max_code) noexcept {
  if (range.low == range.high) return flat_group(range.low);
  const float wanted = std::max(
      {(range.high - range.low) / max_code, range.magnitude() / kLargestZero, kSmallestScale});
  const float scale = std::max(rounded_to_f16(wanted), kSmallestScale);
  return {scale, rounded_to_f16(-range.low / scale)};
}

/// The largest weight whose group still has a finite fp16 scale, whatever its bits.
inline constexpr float kLargestWeight = 32752.0f;

}  // namespace trine::compress
