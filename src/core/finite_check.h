// Are there infinities or NaNs among the weights?
#pragma once

#include <cstddef>
#include <optional>
#include <span>
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

/// How many values of a float tensor are infinite or NaN; 0 for tensors of other types.
[[nodiscard]] std::size_t count_nonfinite(const TensorView& tensor);

/// Puts 0 in the place of every infinity and NaN, and says how many there were.
std::size_t replace_nonfinite(std::span<float> values);

}  // namespace trine
