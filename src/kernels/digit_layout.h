// One token's input as the wide kernels read it: two int8 digits per value, one scale per group.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/packed_matrix.h"

namespace trine::kernels {

/// For each group g the digits lie as group_size high digits, then group_size low digits; after
/// all groups come num_groups scales (fp32) and num_groups digit sums (fp32):
///
///     x[i] ≈ (128 · high[i] + low[i]) · scales[g],   sums[g] = Σ_i (128 · high[i] + low[i])
///
/// high is in [−127, 127], low in [−64, 63]. A digit value is at most 16319 in size, so a sum
/// over 128 inputs stays below 2^21 and is exact in fp32.
struct DigitLayout {
  std::size_t num_groups = 0;
  std::size_t group_size = 0;

  DigitLayout(std::size_t in_features, std::size_t group) noexcept
      : num_groups((in_features + group - 1) / group), group_size(group) {}

  [[nodiscard]] std::size_t scales_offset() const noexcept {
    return num_groups * group_size * 2;
  }
  [[nodiscard]] std::size_t sums_offset() const noexcept {
    return scales_offset() + num_groups * sizeof(float);
  }
  [[nodiscard]] std::size_t bytes() const noexcept {
    const std::size_t used = sums_offset() + num_groups * sizeof(float);
    return (used + kLineBytes - 1) / kLineBytes * kLineBytes;
  }
};

inline constexpr float kLargestDigitValue = 127.0f * 128.0f + 63.0f;  // 16319

[[nodiscard]] inline std::size_t digit_bytes(std::size_t in_features,
                                             std::size_t group_size) noexcept {
  return DigitLayout(in_features, group_size).bytes();
}

}  // namespace trine::kernels
