#include "eval/report/html_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdlib>

namespace trine::eval::report {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

/// One character of a text and the bytes it takes.
struct Decoded {
  char32_t character = 0;
  std::size_t bytes = 0;  ///< 0: what is there is no UTF-8
};

/// Overlong forms, surrogates and what lies beyond U+10FFFF are no UTF-8 (RFC 3629).
Decoded decode(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {first, 1};
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return {};
  char32_t character = first & (0xFFu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0u) != 0x80u) return {};
    character = character << 6 | (byte(i) & 0x3Fu);
  }
  constexpr std::array<char32_t, 5> kSmallest = {0, 0, 0x80, 0x800, 0x10000};
  const bool is_surrogate = character >= 0xD800 && character < 0xE000;
  if (character < kSmallest[length] || is_surrogate || character > 0x10FFFF) return {};
  return {character, length};
}

/// Characters that are not seen but change what is: controls, directions, the byte order mark.
bool is_deceptive(char32_t c) {
  const bool is_control = c < 0x20 || (c >= 0x7F && c < 0xA0);
  const bool is_format = (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) ||
                         (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF || c == 0x61C;
  const bool is_none = (c & 0xFFFEu) == 0xFFFEu || (c >= 0xFDD0 && c <= 0xFDEF);
  return is_control || is_format || is_none;
}

/// `text` with each character that `entity` names replaced, deceptive ones by U+FFFD.
template <class Entity>
std::string rewrite(std::string_view text, Entity entity) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const Decoded next = decode(text);
    const std::string_view own = text.substr(0, next.bytes == 0 ? 1 : next.bytes);
    const std::string_view named = next.bytes == 1 ? entity(own.front()) : std::string_view{};
    if (next.bytes == 0 || is_deceptive(next.character)) {
      result += kReplacement;
    } else {
      result += named.empty() ? own : named;
    }
    text.remove_prefix(own.size());
  }
  return result;
}

std::string scaled(double value, std::string_view unit_of_one, const char* const* units) {
  if (value < 1000.0) return fmt::format("{:.0f}{}", value, unit_of_one);
  int unit = -1;
  while (value >= 999.995 && unit < 3) {
    value /= 1000.0;
    ++unit;
  }
  return fmt::format("{:.2f} {}", value, units[unit]);
}

}  // namespace

std::string escape_html(std::string_view text) {
  return rewrite(text, [](char c) -> std::string_view {
    switch (c) {
      case '&': return "&amp;";
      case '<': return "&lt;";
      case '>': return "&gt;";
      case '"': return "&quot;";
      case '\'': return "&#39;";
      default: return {};
    }
  });
}

std::string script_string(std::string_view text) {
  return '"' +
         rewrite(text,
                 [](char c) -> std::string_view {
                   switch (c) {
                     case '&': return "\\u0026";
                     case '<': return "\\u003c";
                     case '>': return "\\u003e";
                     case '"': return "\\u0022";
                     case '\'': return "\\u0027";
                     case '\\': return "\\\\";
                     default: return {};
                   }
                 }) +
         '"';
}

std::string show_bytes(std::uint64_t bytes) {
  static constexpr const char* kUnits[] = {"kB", "MB", "GB", "TB"};
  return scaled(static_cast<double>(bytes), " B", kUnits);
}

std::string show_count(std::uint64_t count) {
  static constexpr const char* kUnits[] = {"k", "M", "B", "T"};
  return scaled(static_cast<double>(count), "", kUnits);
}

std::string show_fixed(double value, int decimals) {
  if (!std::isfinite(value)) return "–";
  std::string text = fmt::format("{:.{}f}", std::fabs(value), decimals);
  const bool is_zero = text.find_first_not_of("0.") == std::string::npos;
  return value < 0.0 && !is_zero ? "−" + text : text;
}

std::string show_number(double value) {
  const double size = std::fabs(value);
  if (size == 0.0 || !std::isfinite(value)) return show_fixed(value, 0);
  if (size < 1e-4 || size >= 1e6) {
    return (value < 0.0 ? "−" : "") + fmt::format("{:.2e}", size);
  }
  const int magnitude = static_cast<int>(std::floor(std::log10(size)));
  std::string text = show_fixed(value, std::max(0, 2 - magnitude));
  if (text.find('.') == std::string::npos) return text;
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text;
}

}  // namespace trine::eval::report
