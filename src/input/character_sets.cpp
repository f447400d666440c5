#include "input/character_sets.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "input/recent_characters.h"

namespace trine::input {
namespace {

// C and Cn are not here: what Unicode 16 took out of them, PCRE2 would still put in.
constexpr std::array<std::string_view, 34> kCategories = {
    "L",  "Lu", "Ll", "Lt", "Lm", "Lo", "M",  "Mn", "Mc", "Me", "N", "Nd",
    "Nl", "No", "P",  "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "S", "Sm",
    "Sc", "Sk", "So", "Z",  "Zs", "Zl", "Zp", "Cc", "Cf", "Co"};

bool is_category(std::string_view name) {
  return std::find(kCategories.begin(), kCategories.end(), name) != kCategories.end();
}

bool is_script_name(std::string_view name) {
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  return name.size() > 2 && std::all_of(name.begin(), name.end(), is_letter);
}

/// The additions to a category, to all categories that begin with a letter, or to a script.
std::string additions_to(std::string_view name) {
  std::vector<std::pair<char32_t, char32_t>> ranges;
  for (const RecentCharacters& recent : recent_characters()) {
    const bool of_letter = name.size() == 1 && recent.name.size() == 2;
    if (!(of_letter ? recent.name.starts_with(name) : recent.name == name)) continue;
    if (!ranges.empty() && ranges.back().second + 1 == recent.first) {
      ranges.back().second = recent.last;
    } else {
      ranges.emplace_back(recent.first, recent.last);
    }
  }
  std::string set;
  for (const auto& [first, last] : ranges) {
    set += fmt::format("\\x{{{:X}}}-\\x{{{:X}}}", static_cast<std::uint32_t>(first),
                       static_cast<std::uint32_t>(last));
  }
  return set;
}

}  // namespace

std::optional<std::string> property_set(std::string_view property) {
  if (is_category(property)) return fmt::format("\\p{{{}}}", property) + additions_to(property);
  if (!is_script_name(property)) return std::nullopt;
  return fmt::format("\\p{{sc:{}}}", property) + additions_to(property);
}

}  // namespace trine::input
