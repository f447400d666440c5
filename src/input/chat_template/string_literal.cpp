#include "input/chat_template/string_literal.h"

#include <charconv>

#include "input/chat_template/template_error.h"

namespace trine::input::chat_template {
namespace {

bool is_octal(char letter) { return letter >= '0' && letter <= '7'; }

/// The character of `count` hexadecimal digits at the front of `digits`.
char32_t read_hex(std::string_view digits, std::size_t count) {
  unsigned value = 0;
  const char* begin = digits.data();
  if (digits.size() >= count) {
    const auto [end, error] = std::from_chars(begin, begin + count, value, 16);
    const bool is_surrogate = value >= 0xD800 && value <= 0xDFFF;
    const bool is_valid = value <= 0x10FFFF && !is_surrogate;
    if (error == std::errc() && end == begin + count && is_valid) return value;
  }
  refuse("has an escape in a string that is no character: {}", digits.substr(0, count));
}

/// Reads the escape behind a backslash, appends what it stands for, returns its size.
std::size_t read_escape(std::string_view escape, std::string& text) {
  switch (escape.front()) {
    case '\n': return 1;
    case '\\': text += '\\'; return 1;
    case '\'': text += '\''; return 1;
    case '"': text += '"'; return 1;
    case 'a': text += '\a'; return 1;
    case 'b': text += '\b'; return 1;
    case 'f': text += '\f'; return 1;
    case 'n': text += '\n'; return 1;
    case 'r': text += '\r'; return 1;
    case 't': text += '\t'; return 1;
    case 'v': text += '\v'; return 1;
    case 'x': append_utf8(text, read_hex(escape.substr(1), 2)); return 3;
    case 'u': append_utf8(text, read_hex(escape.substr(1), 4)); return 5;
    case 'U': append_utf8(text, read_hex(escape.substr(1), 8)); return 9;
    case 'N': unsupported("names a character with \\N{{…}}, which Trine does not know");
    default: break;
  }
  std::size_t size = 0;
  char32_t value = 0;
  while (size < 3 && size < escape.size() && is_octal(escape[size])) {
    value = value * 8 + static_cast<char32_t>(escape[size++] - '0');
  }
  if (size > 0) {
    append_utf8(text, value);
    return size;
  }
  text += '\\';  // no escape: the backslash stands for itself
  return 0;
}

}  // namespace

void append_utf8(std::string& text, char32_t code_point) {
  const auto byte = [&text](char32_t value) { text += static_cast<char>(value); };
  if (code_point < 0x80) {
    byte(code_point);
  } else if (code_point < 0x800) {
    byte(0xC0 | (code_point >> 6));
    byte(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    byte(0xE0 | (code_point >> 12));
    byte(0x80 | ((code_point >> 6) & 0x3F));
    byte(0x80 | (code_point & 0x3F));
  } else {
    byte(0xF0 | (code_point >> 18));
    byte(0x80 | ((code_point >> 12) & 0x3F));
    byte(0x80 | ((code_point >> 6) & 0x3F));
    byte(0x80 | (code_point & 0x3F));
  }
}

std::string unescape_string(std::string_view literal) {
  std::string text;
  while (!literal.empty()) {
    const std::size_t backslash = literal.find('\\');
    text += literal.substr(0, backslash);
    if (backslash == std::string_view::npos) break;
    literal.remove_prefix(backslash + 1);
    if (literal.empty()) refuse("has a string that ends with a lone backslash");
    literal.remove_prefix(read_escape(literal, text));
  }
  return text;
}

}  // namespace trine::input::chat_template
