// Puts a JsonGrammar together from the parts of JSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "input/json_grammar/json_grammar.h"

namespace trine::input::json_grammar {

/// Every member that takes `from` and `to` adds ways from one position to the other. Positions
/// beyond kMaxPositions and ways beyond kMaxEdges are not made; is_full() says so, and finish() refuses.
class GrammarBuilder {
 public:
  static constexpr std::size_t kMaxPositions = 65536;             ///< about 10 MB
  static constexpr std::size_t kMaxEdges = std::size_t{1} << 20;  ///< at most 16 MB

  GrammarBuilder();

  [[nodiscard]] std::int32_t add_position();
  /// The two ends of a new rule.
  struct Rule {
    std::int32_t start = 0;
    std::int32_t end = 0;
  };
  [[nodiscard]] Rule add_rule();

  void jump(std::int32_t from, std::int32_t to) {
    if (has_room()) at(from).jumps.push_back(to);
  }
  void call(std::int32_t from, std::int32_t rule, std::int32_t to) {
    if (has_room()) at(from).calls.push_back({rule, to});
  }
  void bytes(std::int32_t from, unsigned low, unsigned high, std::int32_t to,
             std::int32_t rule = -1);
  void literal(std::int32_t from, std::string_view text, std::int32_t to);
  /// One of `texts`, which share their beginnings.
  void one_of(std::int32_t from, const std::vector<std::string>& texts, std::int32_t to);
  void white_space(std::int32_t from, std::int32_t to) { call(from, white_space_, to); }

  /// A string with quotes and `least` to `most` characters (kUnlimited: any number).
  void string(std::int32_t from, std::int32_t least, std::int32_t most, std::int32_t to);
  void integer(std::int32_t from, std::int32_t to);
  void number(std::int32_t from, std::int32_t to);
  /// [ items ] with `least` to `most` runs through the rule `item`.
  void array(std::int32_t from, std::int32_t item, std::int32_t least, std::int32_t most,
             std::int32_t to);
  /// { "any key": value, … }.
  void map(std::int32_t from, std::int32_t value, std::int32_t to);
  /// The rule of any JSON value, made on first use.
  [[nodiscard]] std::int32_t any_value();

  [[nodiscard]] bool is_full() const noexcept { return full_; }
  /// kMalformed when no text leads from `start` to its rule's end, or when a rule begins with
  /// itself; kUnsupported when there were too many positions.
  [[nodiscard]] Result<JsonGrammar> finish(std::int32_t start);

 private:
  Position& at(std::int32_t index) {
    return grammar_.positions_[static_cast<std::size_t>(index)];
  }
  /// For one more way from a position.
  [[nodiscard]] bool has_room() {
    full_ = full_ || ++edges_ > kMaxEdges;
    return !full_;
  }
  void digits(std::int32_t from, int least, int most, std::int32_t to);
  void hexadecimal(std::int32_t from, int count, std::int32_t to);
  /// The next character of a string, between the quotes.
  void character(std::int32_t from, std::int32_t to);
  void make_white_space();
  void make_escape();
  void make_continuations();
  void measure_heights();
  [[nodiscard]] bool begins_with_itself() const;

  JsonGrammar grammar_;
  std::size_t edges_ = 0;
  bool full_ = false;
  std::int32_t white_space_ = 0;
  std::int32_t escape_ = 0;
  std::int32_t continuations_[4] = {};  ///< rules of that many UTF-8 continuation bytes
  std::int32_t narrow_[4] = {};  ///< those behind E0, ED, F0, F4, whose first is narrower
  std::int32_t any_value_ = -1;
};

}  // namespace trine::input::json_grammar
