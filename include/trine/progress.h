// How long work reports what it has done.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace trine {

/// One step of long work is done.
struct Progress {
  std::string_view item{};        ///< what was worked on, for example a tensor's name
  std::uint64_t done_units = 0;   ///< weights, tokens or bytes finished so far
  std::uint64_t total_units = 0;  ///< all of them
};

/// Called after each step, never from two threads at once; measuring errors calls it from worker
/// threads too. What it throws ends the work: files that are not finished disappear, and the
/// exception reaches the caller. An empty callback is never called.
using ProgressCallback = std::function<void(const Progress&)>;

}  // namespace trine
