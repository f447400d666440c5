// Where weights come from. The runtime and the compressor see only this.
#pragma once

#include <string_view>
#include <variant>

#include "base/result.h"
#include "core/packed_matrix.h"
#include "core/tensor_view.h"

namespace trine::models {

/// A weight as stored: dense numbers, or packed codes.
using WeightView = std::variant<TensorView, PackedMatrixView>;

/// A model's tensors by name. Views stay valid while the source lives. Thread-safe.
class WeightSource {
 public:
  virtual ~WeightSource() = default;

  /// The tensor `name` of the checkpoint ("model.norm.weight"), packed or dense.
  /// kNotFound, with the name, when there is none.
  [[nodiscard]] virtual Result<WeightView> weight(std::string_view name) const = 0;

  /// Hint: the bytes of `name` will not be needed soon and may leave memory.
  virtual void release(std::string_view name) const = 0;
};

}  // namespace trine::models
