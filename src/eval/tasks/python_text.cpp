#include "eval/tasks/python_text.h"

#include <unicode/locid.h>
#include <unicode/unistr.h>

#include "input/unicode.h"

namespace trine::eval {
namespace {

/// Calls `use(begin, end, code_point)` for every character.
template <class Use>
void for_each_character(std::string_view text, Use use) {
  for (std::size_t at = 0; at < text.size();) {
    const input::Utf8Character character = input::read_utf8(text.substr(at));
    use(at, at + character.length, character.code_point);
    at += character.length;
  }
}

icu::UnicodeString to_icu(std::string_view text) {
  return icu::UnicodeString::fromUTF8(
      icu::StringPiece(text.data(), static_cast<std::int32_t>(text.size())));
}

std::string from_icu(const icu::UnicodeString& text) {
  std::string bytes;
  text.toUTF8String(bytes);
  return bytes;
}

}  // namespace

bool is_python_space(char32_t code_point) noexcept {
  // Unicode's White_Space and the four separators of ASCII, which Python counts by their
  // bidirectional class.
  return input::is_white_space(code_point) || (code_point >= 0x1C && code_point <= 0x1F);
}

std::string_view strip_end(std::string_view text) {
  std::size_t kept = 0;
  for_each_character(text, [&](std::size_t, std::size_t end, char32_t code_point) {
    if (!is_python_space(code_point)) kept = end;
  });
  return text.substr(0, kept);
}

std::string_view strip(std::string_view text) {
  text = strip_end(text);
  while (!text.empty()) {
    const input::Utf8Character first = input::read_utf8(text);
    if (!is_python_space(first.code_point)) break;
    text.remove_prefix(first.length);
  }
  return text;
}

std::string lower(std::string_view text) {
  return from_icu(to_icu(text).toLower(icu::Locale::getRoot()));
}

std::string capitalize(std::string_view text) {
  if (text.empty()) return {};
  const std::size_t first = input::read_utf8(text).length;
  // Lowered as a whole: whether a sigma is final depends on what stands before it.
  std::string lowered = lower(text);
  const std::string first_lowered = lower(text.substr(0, first));
  icu::UnicodeString title = to_icu(text.substr(0, first));
  title.toTitle(nullptr, icu::Locale::getRoot());
  return from_icu(title) + lowered.substr(first_lowered.size());
}

std::size_t count_characters(std::string_view text) noexcept {
  std::size_t count = 0;
  for (const char byte : text) {
    if ((static_cast<unsigned char>(byte) & 0xC0) != 0x80) ++count;
  }
  return count;
}

std::size_t count_words(std::string_view text) {
  std::size_t words = 1;
  bool after_space = false;
  for_each_character(text, [&](std::size_t, std::size_t, char32_t code_point) {
    const bool space = is_python_space(code_point);
    if (space && !after_space) ++words;
    after_space = space;
  });
  return words;
}

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string result;
  std::size_t at = 0;
  for (std::size_t found; (found = text.find(from, at)) != std::string_view::npos;) {
    result += text.substr(at, found - at);
    result += to;
    at = found + from.size();
  }
  result += text.substr(at);
  return result;
}

}  // namespace trine::eval
