// Treatments by name.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/result.h"
#include "core/matrix_plan.h"

namespace trine::compress {

/// "<quantizer>-<bits>bit", for example "rtn-4bit", for every matrix. kUnsupported or
/// kInvalidArgument says which part is wrong and what is expected.
[[nodiscard]] Result<MatrixPlan> parse_preset(std::string_view preset, std::size_t group_size);

}  // namespace trine::compress
