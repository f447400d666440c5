// Content hashes: XXH3, 64 bits. They find damage and name content; they are no signature.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace trine::base {

[[nodiscard]] std::uint64_t xxh3(std::span<const std::uint8_t> bytes) noexcept;

/// 16 lower-case hex digits.
[[nodiscard]] std::string to_hex(std::uint64_t value);

}  // namespace trine::base
