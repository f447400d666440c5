#include "base/hash.h"

#include <fmt/format.h>
#include <xxhash.h>

namespace trine::base {

std::uint64_t xxh3(std::span<const std::uint8_t> bytes) noexcept {
  return XXH3_64bits(bytes.data(), bytes.size());
}

std::string to_hex(std::uint64_t value) { return fmt::format("{:016x}", value); }

}  // namespace trine::base
