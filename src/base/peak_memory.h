// How much memory this process has needed.
#pragma once

#include <cstdint>

namespace trine::base {

/// Most resident memory so far, in bytes; what was touched of mapped files counts.
[[nodiscard]] std::uint64_t peak_rss_bytes();

}  // namespace trine::base
