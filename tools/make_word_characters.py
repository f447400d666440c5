"""Writes src/input/word_characters.cpp, the table behind is_word_character().

Usage: python tools/make_word_characters.py

Needs the package regex==2025.9.18: it brings the data of Unicode 16, and agrees on every code
point with \\w of the Rust `tokenizers` 0.23.3.
"""
import pathlib

import regex

WORD = regex.compile(r"[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]")
SURROGATES = range(0xD800, 0xE000)
RANGES_PER_LINE = 4


def word_ranges():
    ranges = []
    for code in range(0x110000):
        if code in SURROGATES or not WORD.match(chr(code)):
            continue
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return ranges


def table_lines(ranges):
    cells = [f"{{0x{low:X}, 0x{high:X}}}," for low, high in ranges]
    for start in range(0, len(cells), RANGES_PER_LINE):
        yield "    " + " ".join(cells[start:start + RANGES_PER_LINE])


def main():
    ranges = word_ranges()
    text = f"""// Word characters: Alphabetic, marks, digits, connector punctuation, joiners.
// Generated from Unicode 16 by tools/make_word_characters.py; do not edit.
#include <algorithm>
#include <array>

#include "input/unicode.h"

namespace trine::input {{
namespace {{

struct CodePointRange {{
  char32_t first, last;
}};

// clang-format off
constexpr std::array<CodePointRange, {len(ranges)}> kWordRanges = {{{{
{chr(10).join(table_lines(ranges))}
}}}};
// clang-format on

}}  // namespace

bool is_word_character(char32_t code_point) noexcept {{
  const auto after = std::upper_bound(
      kWordRanges.begin(), kWordRanges.end(), code_point,
      [](char32_t value, const CodePointRange& range) {{ return value < range.first; }});
  return after != kWordRanges.begin() && code_point <= (after - 1)->last;
}}

}}  // namespace trine::input
"""
    root = pathlib.Path(__file__).resolve().parent.parent
    (root / "src/input/word_characters.cpp").write_text(text)


if __name__ == "__main__":
    main()
