// Scales and zeros as they are stored: fp16, or bytes with two fp16 factors per row.
#pragma once

#include <span>

#include "compress/quantizers/affine_group.h"
#include "compress/quantizers/quantizer.h"
#include "core/matrix_view.h"
#include "core/quantized_matrix.h"

namespace trine::compress {

/// Where a group whose weights are all `value` starts with 8-bit metadata, before its row's steps
/// are known: the outermost code of a grid whose zero is the middle of the codes. flat_group()'s
/// zero of ±1 is as far from the middle as zeros get and would coarsen those of the whole row.
[[nodiscard]] AffineGroup flat_group_in_bytes(float value, int bits) noexcept;

/// What the metadata of one row can express (see QuantizedMatrix).
class RowGrid {
 public:
  /// fp16 scales and zeros.
  RowGrid() = default;
  /// Bytes: steps such that the largest of `scales` and the farthest of `zeros` still fit.
  RowGrid(std::span<const float> scales, std::span<const float> zeros, int bits);

  /// The nearest scale that can be stored, above 0.
  [[nodiscard]] float rounded_scale(float scale) const noexcept;
  /// The nearest zero that can be stored.
  [[nodiscard]] float rounded_zero(float zero) const noexcept;
  /// Scale and zero whose nearest code stores `value` best. @param start flat_group() for fp16,
  /// flat_group_in_bytes() for bytes.
  [[nodiscard]] AffineGroup rounded_flat(float value, AffineGroup start) const noexcept;

  [[nodiscard]] float scale_step() const noexcept { return scale_step_; }
  [[nodiscard]] float zero_step() const noexcept { return zero_step_; }

 private:
  float scale_step_ = 0.0f;  ///< 0: fp16
  float zero_step_ = 0.0f;
  float middle_ = 0.0f;  ///< of the codes
};

/// With 8-bit metadata: rounds scales and zeros of the panel's rows to what they can express and
/// takes the nearest code of each weight again. With 16 bits nothing happens.
void round_metadata(const Panel& panel, QuantizedMatrix& matrix,
                    const QuantizerOptions& options);

}  // namespace trine::compress
