// Characters that are younger than the Unicode data of PCRE2 10.42 (Unicode 14).
#pragma once

#include <span>
#include <string_view>

namespace trine::input {

/// A run of characters that Unicode 15 or 16 added.
struct RecentCharacters {
  char32_t first, last;
  std::string_view name;  ///< general category ("Lo") or script ("Han"); a run may have both
};

/// All of them, by first character. The Rust library `tokenizers` 0.23 has Unicode 16, and ids
/// must agree.
[[nodiscard]] std::span<const RecentCharacters> recent_characters() noexcept;

}  // namespace trine::input
