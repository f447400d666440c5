// Rules that do not hold together; the models of sentencepiece_guard_test.cpp have more of them.
#include "input/charsmap_guard.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "support/expect_error.h"

namespace trine::input {
namespace {

using testing_support::expect_error;
using testing_support::sentence;

void append_number(std::string& bytes, std::uint32_t number) {
  for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(number >> shift);
}

/// Rules with a trie of `num_units`; those that `units` does not name match no text.
std::string rules(const std::map<std::uint32_t, std::uint32_t>& units, std::uint32_t num_units,
                  std::string_view replacements) {
  std::string bytes;
  append_number(bytes, 4 * num_units);
  for (std::uint32_t i = 0; i < num_units; ++i) {
    append_number(bytes, units.contains(i) ? units.at(i) : 0x80000000u);
  }
  return bytes.append(replacements);
}

constexpr std::uint32_t kRuleEnds = 0x100;

/// The way from one unit to the block of its children, as a unit holds it.
constexpr std::uint32_t way(std::uint32_t from, std::uint32_t to) { return (from ^ to) << 10; }

/// "a" is replaced by what begins at `value`: root → unit 1 ('a') → unit 256 (the value).
std::map<std::uint32_t, std::uint32_t> one_rule(std::uint32_t value) {
  return {{0, way(0, 1 ^ 'a')}, {1, 'a' | kRuleEnds | way(1, 256)}, {256, 0x80000000u | value}};
}

TEST(Charsmap, PassesGoodRulesAndNone) {
  EXPECT_TRUE(check_charsmap("").has_value());
  for (const std::uint32_t value : {0u, 2u, 4u}) {  // b, é, nothing
    const Status status = check_charsmap(rules(one_rule(value), 512, {"b\0\xC3\xA9\0", 5}));
    EXPECT_TRUE(status.has_value()) << value << ": " << sentence(status);
  }
}

TEST(Charsmap, PassesRulesThatShareTheirEnds) {
  // "ac" and "bc": 'a' (unit 1) and 'b' (unit 2) lead to the same 'c' (unit 256 ^ 'c').
  const std::uint32_t shared = 256 ^ 'c';
  const std::map<std::uint32_t, std::uint32_t> units = {
      {0, way(0, 1 ^ 'a')},
      {1, 'a' | way(1, 256)},
      {2, 'b' | way(2, 256)},
      {shared, 'c' | kRuleEnds | way(shared, 512)},
      {512, 0x80000000u}};
  static_assert((1 ^ 'a' ^ 'b') == 2);
  const Status status = check_charsmap(rules(units, 768, {"d\0", 2}));
  EXPECT_TRUE(status.has_value()) << sentence(status);
}

TEST(Charsmap, RefusesWhatIsNoTextOrTooMuch) {
  const auto refuse = [](const std::string& bytes, std::string_view words) {
    expect_error(check_charsmap(bytes), ErrorCode::kMalformed, {words});
  };
  refuse("abc", "a trie of 0 bytes in 3 bytes of rules");
  refuse(std::string(kMostCharsmapBytes + 1, 'a'), "bytes of rules, expected at most");
  refuse(rules(one_rule(0), 512, ""), "a trie of 2048 bytes in 2052 bytes of rules");
  refuse(rules(one_rule(0), 512, {"\xFF\0", 2}), "not UTF-8");
  refuse(rules(one_rule(1), 512, {"\xC3\xA9\0", 3}), "the replacement at byte 1 is not text");
  refuse(rules(one_rule(0), 512, "b"), "the replacement at byte 0 is not text");
  refuse(rules(one_rule(2), 512, {"b\0", 2}), "a replacement at byte 2 of 2");
  refuse(rules(one_rule(0), 300, {"b\0", 2}), "unit 1 of its trie leads beyond the 300");
}

}  // namespace
}  // namespace trine::input
