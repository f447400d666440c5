#include "input/unicode.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace trine::input {
namespace {

/// What a first byte promises. The second byte's range is what keeps out overlong forms,
/// surrogates and values above U+10FFFF (Unicode Standard, table 3-7).
struct FirstByte {
  std::uint8_t low, high;                ///< the first bytes this row speaks of
  std::size_t length;                    ///< bytes of the whole character
  std::uint8_t second_low, second_high;  ///< allowed second bytes
};

constexpr std::array kFirstBytes = {
    FirstByte{0xC2, 0xDF, 2, 0x80, 0xBF}, FirstByte{0xE0, 0xE0, 3, 0xA0, 0xBF},
    FirstByte{0xE1, 0xEC, 3, 0x80, 0xBF}, FirstByte{0xED, 0xED, 3, 0x80, 0x9F},
    FirstByte{0xEE, 0xEF, 3, 0x80, 0xBF}, FirstByte{0xF0, 0xF0, 4, 0x90, 0xBF},
    FirstByte{0xF1, 0xF3, 4, 0x80, 0xBF}, FirstByte{0xF4, 0xF4, 4, 0x80, 0x8F},
};

std::uint8_t byte_at(std::string_view bytes, std::size_t index) noexcept {
  return static_cast<std::uint8_t>(bytes[index]);
}

}  // namespace

Utf8Character read_utf8(std::string_view bytes) noexcept {
  const std::uint8_t first = byte_at(bytes, 0);
  if (first < 0x80) return {Utf8State::kComplete, first, 1};
  const auto row = std::find_if(kFirstBytes.begin(), kFirstBytes.end(), [&](const auto& each) {
    return first >= each.low && first <= each.high;
  });
  if (row == kFirstBytes.end()) return {Utf8State::kInvalid, 0, 1};
  char32_t code_point = first & (0x7Fu >> row->length);
  for (std::size_t i = 1; i < row->length; ++i) {
    if (i == bytes.size()) return {Utf8State::kIncomplete, 0, i};
    const std::uint8_t low = i == 1 ? row->second_low : 0x80;
    const std::uint8_t high = i == 1 ? row->second_high : 0xBF;
    const std::uint8_t next = byte_at(bytes, i);
    if (next < low || next > high) return {Utf8State::kInvalid, 0, i};
    code_point = (code_point << 6) | (next & 0x3Fu);
  }
  return {Utf8State::kComplete, code_point, row->length};
}

char32_t last_character(std::string_view text) noexcept {
  std::size_t start = text.size() - 1;
  while (start > 0 && (byte_at(text, start) & 0xC0u) == 0x80u) --start;
  return read_utf8(text.substr(start)).code_point;
}

bool is_valid_utf8(std::string_view bytes) noexcept {
  return simdjson::validate_utf8(bytes.data(), bytes.size());
}

std::string replace_invalid_utf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    const Utf8Character next = read_utf8(bytes);
    text += next.state == Utf8State::kComplete ? bytes.substr(0, next.length)
                                               : kReplacementCharacter;
    bytes.remove_prefix(next.length);
  }
  return text;
}

bool is_white_space(char32_t code_point) noexcept {
  return (code_point >= 0x09 && code_point <= 0x0D) || code_point == 0x20 ||
         code_point == 0x85 || code_point == 0xA0 || code_point == 0x1680 ||
         (code_point >= 0x2000 && code_point <= 0x200A) || code_point == 0x2028 ||
         code_point == 0x2029 || code_point == 0x202F || code_point == 0x205F ||
         code_point == 0x3000;
}

}  // namespace trine::input
