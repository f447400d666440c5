// What Python's str can do, on valid UTF-8. Positions and lengths count characters.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace trine::input::chat_template {

[[nodiscard]] std::size_t count_characters(std::string_view text) noexcept;
/// Each character on its own, pointing into `text`.
[[nodiscard]] std::vector<std::string_view> split_characters(std::string_view text);

[[nodiscard]] std::string upper(std::string_view text);
[[nodiscard]] std::string lower(std::string_view text);
/// The first character in title case, the others lower.
[[nodiscard]] std::string capitalize(std::string_view text);
/// str.title(): a new word begins behind every character without a case.
[[nodiscard]] std::string title(std::string_view text);

/// str.isspace() of one character.
[[nodiscard]] bool is_space(char32_t code_point) noexcept;

enum class Side { kLeft, kRight, kBoth };
/// Without the white space at its ends.
[[nodiscard]] std::string_view strip(std::string_view text, Side side);
/// Without any of the characters of `characters` at its ends.
[[nodiscard]] std::string_view strip(std::string_view text, std::string_view characters,
                                     Side side);

/// str.split(): by white space, without empty parts; at most `most` cuts, from the right if so.
[[nodiscard]] std::vector<std::string_view> split_words(std::string_view text, std::size_t most,
                                                        bool from_right);
/// str.split(separator); `separator` is not empty.
[[nodiscard]] std::vector<std::string_view> split_at(std::string_view text,
                                                     std::string_view separator,
                                                     std::size_t most, bool from_right);
/// Python's line ends, \r\n as one, and whatever else it counts as such.
[[nodiscard]] std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends);

/// str.replace(): at most `most` times; an empty `old` matches around every character.
[[nodiscard]] std::string replace(std::string_view text, std::string_view old,
                                  std::string_view replacement, std::size_t most);
/// The same for how many there would be, so that its memory is known before.
[[nodiscard]] std::size_t count_occurrences(std::string_view text, std::string_view part);

/// &, <, >, " and ' as HTML writes them, as markupsafe does.
[[nodiscard]] std::string escape_html(std::string_view text);

/// Which question isdigit() and its sisters ask of every character.
enum class CharacterClass {
  kAlpha,
  kDigit,
  kDecimal,
  kNumeric,
  kAlphanumeric,
  kSpace,
};
/// True if there are characters and all are of that class.
[[nodiscard]] bool all_are(std::string_view text, CharacterClass wanted);
/// str.isupper() and str.islower(): some character has a case, and none the other.
[[nodiscard]] bool is_upper(std::string_view text);
[[nodiscard]] bool is_lower(std::string_view text);

}  // namespace trine::input::chat_template
