// The regular expressions of tokenizer.json, rewritten for PCRE2.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace trine::input {

/// tokenizer.json means Oniguruma with Ruby's syntax and Unicode 16. PCRE2 reads nearly the same
/// language, so the text is copied but for these:
///
/// | written              | becomes                | because                                |
/// |----------------------|------------------------|----------------------------------------|
/// | \s \S                | a class of White_Space | PCRE2 counts U+180E as a space         |
/// | \d \D \p{Lo} \P{Lo}  | a class with additions | PCRE2 10.42 has Unicode 14             |
/// | \p{Han}              | \p{sc:Han}, additions  | PCRE2 means Script_Extensions          |
/// | \v \uHHHH            | \x0B \x{HHHH}          | PCRE2 reads a class, refuses the other |
///
/// kUnsupported, with the reason as a sentence without a place, for all that the two languages
/// read differently or that no known tokenizer uses: \w \b \h, back references, classes within
/// classes, && in a class, {2}+, (?i) but at the beginning, and groups other than (?: (?= (?! (?>
/// (?<= (?<! (?i: (?-i:.
/// `pattern` is valid UTF-8. What is merely ill-formed is left for PCRE2 to find.
[[nodiscard]] Result<std::string> to_pcre2(std::string_view pattern);

}  // namespace trine::input
