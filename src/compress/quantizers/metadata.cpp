#include "compress/quantizers/metadata.h"

#include <cmath>

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

void round_metadata(MatrixView weights, QuantizedMatrix& matrix,
                    const QuantizerOptions& options) {
  if (options.metadata_bits == 16) return;
  const auto max_code = static_cast<float>((1 << options.bits) - 1);
  const std::size_t groups = matrix.num_groups();
#pragma omp parallel for num_threads(options.threads) schedule(static)
  for (std::size_t row = 0; row < weights.rows; ++row) {
    const RowGrid grid(std::span<const float>(matrix.scales).subspan(row * groups, groups),
                       std::span<const float>(matrix.zeros).subspan(row * groups, groups),
                       options.bits);
    matrix.scale_steps[row] = grid.scale_step();
    matrix.zero_steps[row] = grid.zero_step();
    for_each_group(weights, matrix, row, [&](const GroupView& group) {
      group.scale = grid.rounded_scale(group.scale);
      group.zero = grid.rounded_zero(group.zero);
      for (std::size_t i = 0; i < group.weights.size(); ++i) {
        group.codes[i] = static_cast<std::uint8_t>(
            nearest_code(group.weights[i] / group.scale + group.zero, max_code));
      }
    });
  }
}

}  // namespace trine::compress
