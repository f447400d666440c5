// UTF-8 and the two character classes that matching of added tokens needs.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace trine::input {

/// U+FFFD, which stands for bytes that are no character.
inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

enum class Utf8State {
  kComplete,    ///< a character
  kIncomplete,  ///< the bytes end within what may become a character
  kInvalid,     ///< no continuation can make these bytes a character
};

/// What stands at the beginning of some bytes.
struct Utf8Character {
  Utf8State state = Utf8State::kInvalid;
  char32_t code_point = 0;  ///< of a complete character
  /// Bytes it takes, at least 1; for ill-formed ones the "maximal subpart" of the Unicode
  /// Standard (section 3.9): all that could still have been a character, up to the offender.
  std::size_t length = 1;
};

/// Reads the first character of `bytes`, which must not be empty. Strict: overlong forms,
/// surrogates and values above U+10FFFF are invalid.
[[nodiscard]] Utf8Character read_utf8(std::string_view bytes) noexcept;

/// The last character of `text`: valid UTF-8, not empty.
[[nodiscard]] char32_t last_character(std::string_view text) noexcept;

[[nodiscard]] bool is_valid_utf8(std::string_view bytes) noexcept;

/// Each ill-formed maximal subpart replaced by one U+FFFD, the rest unchanged.
[[nodiscard]] std::string replace_invalid_utf8(std::string_view bytes);

/// The Unicode property White_Space.
[[nodiscard]] bool is_white_space(char32_t code_point) noexcept;

/// Regular expressions' \w (Unicode Technical Standard 18, annex C): letters, marks, decimal
/// digits, connector punctuation and the two joiners. Unicode 16. (word_characters.cpp)
[[nodiscard]] bool is_word_character(char32_t code_point) noexcept;

}  // namespace trine::input
