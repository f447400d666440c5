// Walks a JsonGrammar byte by byte, in every way it may be read at once.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <map>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "input/json_grammar/json_grammar.h"

namespace trine::input::json_grammar {

/// A deterministic view of a grammar, made as it is walked: each state is the set of places, with
/// their stacks of rules to return to, that the bytes so far may have led to. Every state that is
/// not kDead leads to some complete text within the depth limit. One object, one thread.
class JsonAutomaton {
 public:
  using State = std::int32_t;
  static constexpr State kDead = -1;

  explicit JsonAutomaton(std::shared_ptr<const JsonGrammar> grammar);

  [[nodiscard]] State start() const noexcept { return start_; }
  /// kDead when the byte may not follow.
  [[nodiscard]] State next(State state, std::uint8_t byte);
  [[nodiscard]] std::bitset<256> allowed_bytes(State state);
  /// Whether the bytes so far are a whole value.
  [[nodiscard]] bool is_complete(State state) const { return node(state).complete; }

  /// The characters without an escape that may still follow within a string that the bytes so
  /// far may be in the middle of; -1: they are in none.
  [[nodiscard]] std::int32_t plain_characters(State state) const {
    return node(state).plain_characters;
  }
  /// The same state without those readings; kDead when there are no others.
  [[nodiscard]] State without_strings(State state);

  /// Forgets every state but `kept` once there are many, and gives its new number. Others are
  /// invalid then.
  [[nodiscard]] State trim(State kept);
  /// Changes whenever trim() forgot states.
  [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }

 private:
  /// A place and the stack of those to return to; stack 0 is empty.
  struct Reading {
    std::int32_t position;
    std::int32_t stack;
    auto operator<=>(const Reading&) const = default;
  };
  struct StackEntry {
    std::int32_t position;
    std::int32_t below;
    std::int32_t depth;
  };
  struct Node {
    std::vector<Reading> readings{};
    bool complete = false;
    std::int32_t plain_characters = -1;
    std::unique_ptr<std::array<State, 256>> next{};
  };

  [[nodiscard]] const Node& node(State state) const {
    return nodes_[static_cast<std::size_t>(state)];
  }
  [[nodiscard]] std::int32_t plain_of(const Reading& reading) const;
  [[nodiscard]] std::int32_t push(std::int32_t position, std::int32_t below);
  /// Whether `reading` can end within the depth limit.
  [[nodiscard]] bool can_end(const Reading& reading) const;
  [[nodiscard]] State close(std::vector<Reading> readings);
  [[nodiscard]] State intern(std::vector<Reading> readings, bool complete);

  std::shared_ptr<const JsonGrammar> grammar_;
  std::vector<Node> nodes_;
  std::map<std::pair<std::vector<Reading>, bool>, State> states_;
  std::vector<StackEntry> stacks_;
  std::unordered_map<std::uint64_t, std::int32_t> stack_places_;
  State start_ = kDead;
  std::uint64_t generation_ = 0;
};

}  // namespace trine::input::json_grammar
