// Sets of characters as PCRE2 writes them between [ and ].
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace trine::input {

/// The Unicode property White_Space, and everything else. Both end with a range, so a '-' that
/// follows stands for itself.
inline constexpr std::string_view kWhiteSpaceSet =
    R"(\x09-\x0D\x20\x85\xA0\x{1680}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}\x{2000}-\x{200A})";
inline constexpr std::string_view kOtherThanWhiteSpaceSet =
    R"(\x00-\x08\x0E-\x1F\x21-\x84\x86-\x9F\xA1-\x{167F}\x{1681}-\x{1FFF}\x{200B}-\x{2027})"
    R"(\x{202A}-\x{202E}\x{2030}-\x{205E}\x{2060}-\x{2FFF}\x{3001}-\x{10FFFF})";

/// The characters of `property`, a general category ("L", "Nd") or a script ("Han"), with the
/// Unicode 16 additions that PCRE2 lacks. Nothing for another spelling; a script that does not
/// exist is left for PCRE2 to find.
[[nodiscard]] std::optional<std::string> property_set(std::string_view property);

}  // namespace trine::input
