// What to do to every matrix.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace trine::compress {

/// One treatment for all compressible matrices.
struct Recipe {
  std::string preset{};     ///< the name it was asked for by, for example "hqq-3bit"
  std::string quantizer{};  ///< a name of quantizers/registry.cpp
  int bits = 3;
  std::size_t group_size = 64;
  /// Whether infinities and NaNs are packed as 0 and copied elsewhere; else they are refused.
  bool allow_nonfinite = false;
};

/// "<quantizer>-<bits>bit", for example "rtn-4bit". kUnsupported or kInvalidArgument says which
/// part is wrong and what is expected.
[[nodiscard]] Result<Recipe> parse_preset(std::string_view preset, std::size_t group_size);

}  // namespace trine::compress
