#include "compress/quantizers/metadata.h"

#include <cmath>
#include <limits>

#include "compress/quantizers/grouping.h"
#include "kernels/block_codec.h"

namespace trine::compress {
namespace {

/// The smallest fp16 number that is at least `value`.
float f16_at_least(float value) {
  const float nearest = rounded_to_f16(value);
  if (nearest >= value) return nearest;
  const std::uint16_t next = static_cast<std::uint16_t>(float_to_f16(nearest) + 1);
  return f16_to_float(next);
}

}  // namespace

RowGrid::RowGrid(std::span<const float> scales, std::span<const float> zeros, int bits)
    : middle_(kernels::middle_code(bits)) {
  float largest = 0.0f, farthest = 0.0f;
  for (const float scale : scales) largest = std::max(largest, scale);
  for (const float zero : zeros) farthest = std::max(farthest, std::abs(zero - middle_));
  scale_step_ = std::max(f16_at_least(largest / 255.0f), kSmallestScale);
  // Zeros this near the middle are stored as the middle: a step of a 127th of so little would be
  // below what fp32 resolves beside 127.5, and 2^-8 of a code changes no error by 1 %.
  zero_step_ = farthest < 0x1p-8f ? 0.0f : f16_at_least(farthest / 127.0f);
}

float RowGrid::rounded_scale(float scale) const noexcept {
  if (scale_step_ == 0.0f) return std::max(rounded_to_f16(scale), kSmallestScale);
  const float steps = std::min(std::max(std::round(scale / scale_step_), 1.0f), 255.0f);
  return steps * scale_step_;
}

float RowGrid::rounded_zero(float zero) const noexcept {
  if (scale_step_ == 0.0f) return rounded_to_f16(zero);
  if (zero_step_ == 0.0f) return middle_;
  const float steps = std::round((zero - middle_) / zero_step_);
  return std::min(std::max(steps, -128.0f), 127.0f) * zero_step_ + middle_;
}

AffineGroup flat_group_in_bytes(float value, int bits) noexcept {
  const float middle = kernels::middle_code(bits);
  // Zeros half a code from the middle can fall on a code, and then 0 is stored as 0.
  if (value == 0.0f) return {kSmallestScale, middle - 0.5f};
  return {std::max(std::abs(value) / middle, kSmallestScale), middle};
}

AffineGroup RowGrid::rounded_flat(float value, AffineGroup start) const noexcept {
  if (scale_step_ == 0.0f) return {rounded_scale(start.scale), rounded_zero(start.zero)};
  AffineGroup best{rounded_scale(start.scale), rounded_zero(start.zero)};
  float least = std::numeric_limits<float>::infinity();
  const auto keep = [&](AffineGroup grid, float error) {
    if (!(error < least)) return;
    least = error;
    best = grid;
  };
  if (value == 0.0f) {  // the zero that lies nearest to a code
    for (float steps = -128.0f; steps <= 127.0f; ++steps) {
      const float zero = steps * zero_step_ + middle_;
      keep({best.scale, zero}, std::abs(nearest_code(zero, 2.0f * middle_) - zero));
    }
    return best;
  }
  // The zero in the middle is always exact; codes nearer to it take a larger and thereby finer
  // scale. Both signs are alike.
  for (float distance = middle_; distance > 0.0f; distance -= 1.0f) {
    const float scale = rounded_scale(std::abs(value) / distance);
    keep({scale, middle_}, std::abs(std::abs(value) - distance * scale));
  }
  return best;
}

void round_metadata(const Panel& panel, QuantizedMatrix& matrix,
                    const QuantizerOptions& options) {
  if (options.metadata_bits == 16) return;
  const auto max_code = static_cast<float>((1 << options.bits) - 1);
  const std::size_t groups = matrix.num_groups();
  for (std::size_t row = 0; row < panel.weights.rows; ++row) {
    const std::size_t matrix_row = panel.first_row + row, first = matrix_row * groups;
    for_each_group(panel, matrix, row, [&](const GroupView& group) {
      const Range range = range_of(group.weights);
      if (range.low != range.high) return;
      const AffineGroup flat = flat_group_in_bytes(range.low, options.bits);
      group.scale = flat.scale;
      group.zero = flat.zero;
    });
    const RowGrid grid(std::span<const float>(matrix.scales).subspan(first, groups),
                       std::span<const float>(matrix.zeros).subspan(first, groups),
                       options.bits);
    matrix.scale_steps[matrix_row] = grid.scale_step();
    matrix.zero_steps[matrix_row] = grid.zero_step();
    for_each_group(panel, matrix, row, [&](const GroupView& group) {
      const Range range = range_of(group.weights);
      const AffineGroup rounded =
          range.low == range.high
              ? grid.rounded_flat(range.low, {group.scale, group.zero})
              : AffineGroup{grid.rounded_scale(group.scale), grid.rounded_zero(group.zero)};
      group.scale = rounded.scale;
      group.zero = rounded.zero;
      for (std::size_t i = 0; i < group.weights.size(); ++i) {
        group.codes[i] = static_cast<std::uint8_t>(
            nearest_code(group.weights[i] / group.scale + group.zero, max_code));
      }
    });
  }
}

}  // namespace trine::compress
