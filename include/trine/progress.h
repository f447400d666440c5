// How long work reports what it has done.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace trine {

/// One step of long work, just done. An empty callback is never called with it.
struct Progress {
  std::string_view item{};        ///< what was worked on, for example a tensor's name
  std::uint64_t done_units = 0;   ///< weights, tokens or bytes finished so far
  std::uint64_t total_units = 0;  ///< all of them
};

/// Called after each step, one at a time. May throw: the work ends, nothing half-made stays.
using ProgressCallback = std::function<void(const Progress&)>;

}  // namespace trine
