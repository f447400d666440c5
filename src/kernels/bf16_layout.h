// One token's input as bf16, where the processor multiplies them as they are.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/packed_matrix.h"

namespace trine::kernels {

/// For each group lie group_size bf16 values, after all groups num_groups sums (fp32) of a group's
/// rounded values. Of every four values the middle ones are exchanged, x[0] x[2] x[1] x[3]: that is how
/// the bytes of a packed operand, four codes of an output, become pairs of 16 bits.
struct Bf16Layout {
  std::size_t num_groups = 0;
  std::size_t group_size = 0;

  Bf16Layout(std::size_t in_features, std::size_t group) noexcept
      : num_groups((in_features + group - 1) / group), group_size(group) {}

  [[nodiscard]] std::size_t sums_offset() const noexcept {
    return num_groups * group_size * sizeof(std::uint16_t);
  }
  [[nodiscard]] std::size_t bytes() const noexcept {
    const std::size_t used = sums_offset() + num_groups * sizeof(float);
    return (used + kLineBytes - 1) / kLineBytes * kLineBytes;
  }
};

}  // namespace trine::kernels
