// Treatments of whole models by name.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "plan/allocators/allocator.h"

namespace trine::plan {

struct Preset {
  std::string allocator = "uniform";
  AllocatorInputs inputs{};
  std::string rank_strategy{};
  std::string compensator = "milo";
};

/// "<quantizer>-<bits>bit"; "milo-s1", "milo-s2" (MiLo, arXiv 2504.02658, table 4);
/// "expert-mixed-<average>" (arXiv 2604.06515: experts at 3 and 2 bits, the rest at 4).
/// kInvalidArgument says what a preset looks like. Names of quantizers are checked by whoever
/// knows them.
[[nodiscard]] Result<Preset> parse_preset(std::string_view name);

}  // namespace trine::plan
