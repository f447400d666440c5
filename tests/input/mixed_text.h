// Texts of every kind, drawn by chance from tests/golden/tokenizer/fragments.json.
// tools/mixed_text.py draws the same texts from the same seeds.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "input/unicode.h"
#include "support/tokenizers.h"

namespace trine::testing_support {

class MixedTexts {
 public:
  MixedTexts() {
    const auto json = base::read_json_file("tests/golden/tokenizer/fragments.json");
    if (!json) throw std::runtime_error(json.error().message);
    for (const auto& fragment : json->get<std::vector<std::string>>()) {
      fragments_.push_back(to_code_points(fragment));
    }
  }

  /// At least `num_bytes` bytes of UTF-8.
  [[nodiscard]] std::string draw_text(std::uint64_t seed, std::size_t num_bytes) const {
    base::Random random(seed);
    std::string text;
    while (text.size() < num_bytes) {
      for (const char32_t code_point : draw(random)) append_utf8(text, code_point);
      if (below(random, 2) == 0) text += ' ';
    }
    return text;
  }

 private:
  using CodePoints = std::u32string;

  static CodePoints to_code_points(std::string_view text) {
    CodePoints code_points;
    while (!text.empty()) {
      const input::Utf8Character next = input::read_utf8(text);
      code_points += next.code_point;
      text.remove_prefix(next.length);
    }
    return code_points;
  }

  static char32_t any_character(base::Random& random) {
    constexpr std::array<std::uint32_t, 5> kLimits = {0x80, 0x800, 0x3000, 0x10000 - 0x800,
                                                      0x110000 - 0x800};
    const std::uint32_t limit = kLimits[below(random, kLimits.size())];
    const std::uint32_t code_point = below(random, limit);
    return code_point < 0xD800 ? code_point : code_point + 0x800;  // no surrogates
  }

  /// `most` characters or fewer, at least one, each made by `character()`.
  template <class Character>
  static CodePoints run_of(base::Random& random, std::uint32_t most, Character character) {
    CodePoints run(1 + below(random, most), U' ');
    for (char32_t& each : run) each = character();
    return run;
  }

  [[nodiscard]] const CodePoints& any_fragment(base::Random& random) const {
    return fragments_[below(random, static_cast<std::uint32_t>(fragments_.size()))];
  }

  /// A stretch of one kind.
  [[nodiscard]] CodePoints draw(base::Random& random) const {
    constexpr std::u32string_view kFrequent = U"etaoin shrdlu";
    constexpr std::u32string_view kSpaces = U" \t\n\r\u00a0\u0085\u180e\u2028\u3000";
    const auto pick = [&](std::u32string_view from) {
      return from[below(random, static_cast<std::uint32_t>(from.size()))];
    };
    const std::uint32_t kind = below(random, 16);
    switch (kind < 9 ? 0 : kind) {
      case 0: return any_fragment(random);
      case 9: return run_of(random, 12, [] { return U' '; });
      case 10: return run_of(random, 12, [&] { return U'0' + below(random, 10); });
      case 11: return run_of(random, 4, [&] { return any_character(random); });
      case 12: return run_of(random, 4, [&] { return pick(kSpaces); });
      case 13: return run_of(random, 60, [&] { return pick(kFrequent.substr(0, 5)); });
      case 14: return run_of(random, 60, [&] { return pick(kFrequent); });
      default: break;
    }
    const CodePoints& fragment = any_fragment(random);
    const std::uint32_t begin = below(random, static_cast<std::uint32_t>(fragment.size()));
    return fragment.substr(begin, 1 + below(random, 6));
  }

  std::vector<CodePoints> fragments_;
};

}  // namespace trine::testing_support
