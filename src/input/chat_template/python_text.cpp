#include "input/chat_template/python_text.h"

#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <unordered_set>

#include "input/unicode.h"

namespace trine::input::chat_template {
namespace {

icu::UnicodeString to_icu(std::string_view text) {
  return icu::UnicodeString::fromUTF8(
      icu::StringPiece(text.data(), static_cast<std::int32_t>(text.size())));
}

std::string from_icu(const icu::UnicodeString& text) {
  std::string bytes;
  text.toUTF8String(bytes);
  return bytes;
}

UChar32 to_uchar(char32_t code_point) { return static_cast<UChar32>(code_point); }

bool is_cased(char32_t code_point) {
  return u_hasBinaryProperty(to_uchar(code_point), UCHAR_CASED) != 0;
}

/// Bytes of the white space at the front.
std::size_t leading_space(std::string_view text) {
  std::size_t size = 0;
  while (size < text.size()) {
    const Utf8Character next = read_utf8(text.substr(size));
    if (!is_space(next.code_point)) break;
    size += next.length;
  }
  return size;
}

/// Where the last character of `text` begins.
std::size_t last_start(std::string_view text) {
  std::size_t start = text.size() - 1;
  while (start > 0 && (static_cast<unsigned char>(text[start]) & 0xC0u) == 0x80u) --start;
  return start;
}

std::size_t without_trailing_space(std::string_view text) {
  while (!text.empty()) {
    const std::size_t start = last_start(text);
    if (!is_space(read_utf8(text.substr(start)).code_point)) break;
    text = text.substr(0, start);
  }
  return text.size();
}

bool is_line_end(char32_t code_point) {
  switch (code_point) {
    case U'\n':
    case U'\r':
    case 0x0B:
    case 0x0C:
    case 0x1C:
    case 0x1D:
    case 0x1E:
    case 0x85:
    case 0x2028:
    case 0x2029: return true;
    default: return false;
  }
}

bool is_of(CharacterClass wanted, char32_t code_point) {
  const UChar32 character = to_uchar(code_point);
  const int numeric = u_getIntPropertyValue(character, UCHAR_NUMERIC_TYPE);
  const bool alphabetic = (U_GET_GC_MASK(character) & U_GC_L_MASK) != 0;
  switch (wanted) {
    case CharacterClass::kAlpha: return alphabetic;
    case CharacterClass::kDecimal: return numeric == U_NT_DECIMAL;
    case CharacterClass::kDigit: return numeric == U_NT_DECIMAL || numeric == U_NT_DIGIT;
    case CharacterClass::kNumeric: return numeric != U_NT_NONE;
    case CharacterClass::kAlphanumeric: return alphabetic || numeric != U_NT_NONE;
    case CharacterClass::kSpace: return is_space(code_point);
  }
  return false;
}

/// Whether some character has a case, and none is of `other` (kept by `is_other`).
template <class IsOther>
bool has_only_case(std::string_view text, IsOther is_other) {
  bool cased = false;
  while (!text.empty()) {
    const Utf8Character next = read_utf8(text);
    if (is_other(to_uchar(next.code_point))) return false;
    cased = cased || is_cased(next.code_point);
    text.remove_prefix(next.length);
  }
  return cased;
}

}  // namespace

std::size_t count_characters(std::string_view text) noexcept {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char byte) {
    return (static_cast<unsigned char>(byte) & 0xC0u) != 0x80u;
  }));
}

std::vector<std::string_view> split_characters(std::string_view text) {
  std::vector<std::string_view> characters;
  while (!text.empty()) {
    const std::size_t length = read_utf8(text).length;
    characters.push_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return characters;
}

std::string upper(std::string_view text) {
  return from_icu(to_icu(text).toUpper(icu::Locale::getRoot()));
}

std::string lower(std::string_view text) {
  return from_icu(to_icu(text).toLower(icu::Locale::getRoot()));
}

std::string capitalize(std::string_view text) {
  if (text.empty()) return {};
  const std::size_t first = read_utf8(text).length;
  return title(text.substr(0, first)) + lower(text.substr(first));
}

std::string title(std::string_view text) {
  std::string result;
  std::size_t word_start = 0;  // in bytes; a word is a run of characters with a case
  std::size_t position = 0;
  const auto end_word = [&] {
    const std::string_view word = text.substr(word_start, position - word_start);
    if (word.empty()) return;
    const std::size_t first = read_utf8(word).length;
    icu::UnicodeString head = to_icu(word.substr(0, first));
    head.toTitle(nullptr, icu::Locale::getRoot(), U_TITLECASE_NO_LOWERCASE);
    result += from_icu(head) + lower(word.substr(first));
  };
  while (position < text.size()) {
    const Utf8Character next = read_utf8(text.substr(position));
    if (!is_cased(next.code_point)) {
      end_word();
      result += text.substr(position, next.length);
      word_start = position + next.length;
    }
    position += next.length;
  }
  end_word();
  return result;
}

bool is_space(char32_t code_point) noexcept {
  return is_white_space(code_point) || (code_point >= 0x1C && code_point <= 0x1F);
}

std::string_view strip(std::string_view text, Side side) {
  if (side != Side::kLeft) text = text.substr(0, without_trailing_space(text));
  if (side != Side::kRight) text.remove_prefix(leading_space(text));
  return text;
}

std::string_view strip(std::string_view text, std::string_view characters, Side side) {
  const auto all = split_characters(characters);
  const std::unordered_set<std::string_view> set(all.begin(), all.end());
  const auto in_set = [&set](std::string_view character) { return set.contains(character); };
  while (side != Side::kLeft && !text.empty() && in_set(text.substr(last_start(text)))) {
    text = text.substr(0, last_start(text));
  }
  while (side != Side::kRight && !text.empty() &&
         in_set(text.substr(0, read_utf8(text).length))) {
    text.remove_prefix(read_utf8(text).length);
  }
  return text;
}

std::vector<std::string_view> split_words(std::string_view text, std::size_t most,
                                          bool from_right) {
  std::vector<std::string_view> words;
  text = strip(text, from_right ? Side::kRight : Side::kLeft);
  while (!text.empty() && words.size() < most) {
    // The next word from the chosen end.
    std::size_t cut = from_right ? text.size() : 0;
    const auto inside = [&] {
      const std::size_t start = from_right ? last_start(text.substr(0, cut)) : cut;
      return !is_space(read_utf8(text.substr(start)).code_point);
    };
    while ((from_right ? cut > 0 : cut < text.size()) && inside()) {
      cut = from_right ? last_start(text.substr(0, cut))
                       : cut + read_utf8(text.substr(cut)).length;
    }
    words.push_back(from_right ? text.substr(cut) : text.substr(0, cut));
    text = from_right ? text.substr(0, cut) : text.substr(cut);
    text = strip(text, from_right ? Side::kRight : Side::kLeft);
  }
  if (!text.empty()) words.push_back(text);
  if (from_right) std::reverse(words.begin(), words.end());
  return words;
}

std::vector<std::string_view> split_at(std::string_view text, std::string_view separator,
                                       std::size_t most, bool from_right) {
  std::vector<std::string_view> parts;
  while (parts.size() < most) {
    const std::size_t found = from_right ? text.rfind(separator) : text.find(separator);
    if (found == std::string_view::npos) break;
    const std::size_t behind = found + separator.size();
    parts.push_back(from_right ? text.substr(behind) : text.substr(0, found));
    text = from_right ? text.substr(0, found) : text.substr(behind);
  }
  parts.push_back(text);
  if (from_right) std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string_view> lines;
  std::size_t position = 0;
  while (position < text.size()) {
    const Utf8Character next = read_utf8(text.substr(position));
    if (!is_line_end(next.code_point)) {
      position += next.length;
      continue;
    }
    std::size_t end = position + next.length;
    if (next.code_point == U'\r' && text.substr(end).starts_with('\n')) ++end;
    lines.push_back(text.substr(0, keep_ends ? end : position));
    text.remove_prefix(end);
    position = 0;
  }
  if (!text.empty()) lines.push_back(text);
  return lines;
}

std::string replace(std::string_view text, std::string_view old, std::string_view replacement,
                    std::size_t most) {
  std::string result;
  std::size_t count = 0;
  if (old.empty()) {
    for (const std::string_view character : split_characters(text)) {
      if (count++ < most) result += replacement;
      result += character;
    }
    if (count < most) result += replacement;
    return result;
  }
  for (; count < most; ++count) {
    const std::size_t found = text.find(old);
    if (found == std::string_view::npos) break;
    result += text.substr(0, found);
    result += replacement;
    text.remove_prefix(found + old.size());
  }
  return result.append(text);
}

std::size_t count_occurrences(std::string_view text, std::string_view part) {
  if (part.empty()) return count_characters(text) + 1;
  std::size_t count = 0;
  for (std::size_t found = text.find(part); found != std::string_view::npos;
       found = text.find(part, found + part.size())) {
    ++count;
  }
  return count;
}

std::string escape_html(std::string_view text) {
  std::string escaped;
  for (const char letter : text) {
    switch (letter) {
      case '&': escaped += "&amp;"; break;
      case '<': escaped += "&lt;"; break;
      case '>': escaped += "&gt;"; break;
      case '"': escaped += "&#34;"; break;
      case '\'': escaped += "&#39;"; break;
      default: escaped += letter;
    }
  }
  return escaped;
}

bool all_are(std::string_view text, CharacterClass wanted) {
  if (text.empty()) return false;
  while (!text.empty()) {
    const Utf8Character next = read_utf8(text);
    if (!is_of(wanted, next.code_point)) return false;
    text.remove_prefix(next.length);
  }
  return true;
}

bool is_upper(std::string_view text) {
  return has_only_case(text, [](UChar32 c) {
    return u_hasBinaryProperty(c, UCHAR_LOWERCASE) != 0 || u_istitle(c) != 0;
  });
}

bool is_lower(std::string_view text) {
  return has_only_case(text, [](UChar32 c) {
    return u_hasBinaryProperty(c, UCHAR_UPPERCASE) != 0 || u_istitle(c) != 0;
  });
}

}  // namespace trine::input::chat_template
