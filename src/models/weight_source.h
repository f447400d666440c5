// Where weights come from. The runtime and the compressor see only this.
#pragma once

#include <memory>
#include <variant>
#include <vector>

#include "base/result.h"
#include "core/low_rank.h"
#include "core/model_spec.h"
#include "core/packed_matrix.h"
#include "core/row_reader.h"
#include "core/tensor_view.h"

namespace trine::models {

/// A matrix as stored: dense numbers [out_features, in_features] in F32, F16 or BF16; packed
/// codes, with a compensator or without; or anything else behind a reader of rows.
using WeightView = std::variant<TensorView, PackedMatrixView, CompensatedMatrixView,
                                std::shared_ptr<const RowReader>>;

/// The packed codes of a matrix; null when it is not packed.
[[nodiscard]] inline const PackedMatrixView* codes_of(const WeightView& weight) noexcept {
  if (const auto* compensated = std::get_if<CompensatedMatrixView>(&weight)) {
    return &compensated->codes;
  }
  return std::get_if<PackedMatrixView>(&weight);
}

/// The compensator of a packed matrix; null when it has none.
[[nodiscard]] inline const LowRankView* low_rank_of(const WeightView& weight) noexcept {
  const auto* compensated = std::get_if<CompensatedMatrixView>(&weight);
  return compensated == nullptr ? nullptr : &compensated->low_rank;
}

/// A model's weights. Views stay valid while the source lives. Thread-safe.
class WeightSource {
 public:
  virtual ~WeightSource() = default;

  /// kNotFound, kMalformed or kUnsupported name the tensor, what was found, what was expected.
  [[nodiscard]] virtual Result<WeightView> matrix(const MatrixSpec& spec) const = 0;

  /// The numbers of a vector, widened to fp32.
  [[nodiscard]] virtual Result<std::vector<float>> vector(const VectorSpec& spec) const = 0;

  /// Hint: the bytes of `spec` will not be needed soon and may leave memory.
  virtual void release(const MatrixSpec& spec) const = 0;
};

}  // namespace trine::models
