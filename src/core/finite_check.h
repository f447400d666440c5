// Are there infinities or NaNs among the weights?
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "core/tensor_view.h"

namespace trine {

/// Index (row-major) of the first infinity or NaN, nothing when every value is finite.
/// Reads the tensor once, at memory speed. For F32, F16 and BF16 only; another dtype is a bug
/// of the caller (InvariantError).
[[nodiscard]] std::optional<std::size_t> find_nonfinite(const TensorView& tensor);

/// kMalformed, naming tensor and element, when a float tensor holds an infinity or NaN. Tensors
/// of other types pass: their every bit pattern is a number.
[[nodiscard]] Status require_finite(std::string_view name, const TensorView& tensor);

}  // namespace trine
