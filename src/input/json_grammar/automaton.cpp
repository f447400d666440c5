#include "input/json_grammar/automaton.h"

#include <algorithm>
#include <set>
#include <utility>

namespace trine::input::json_grammar {
namespace {

constexpr JsonAutomaton::State kUnknown = -2;

/// Readings of a state; a hostile schema could have any number. Leaving some out forbids texts,
/// but every reading that stays can still end.
constexpr std::size_t kMaxReadings = 2048;

/// States and stack entries kept, about 1.2 kB and 40 B each.
constexpr std::size_t kMaxStates = 8192;
constexpr std::size_t kMaxStacks = 65536;

}  // namespace

JsonAutomaton::JsonAutomaton(std::shared_ptr<const JsonGrammar> grammar)
    : grammar_(std::move(grammar)), stacks_{{-1, -1, 0}} {
  start_ = close({{grammar_->start(), 0}});
}

std::int32_t JsonAutomaton::push(std::int32_t position, std::int32_t below) {
  const std::uint64_t key =
      (static_cast<std::uint64_t>(position) << 32) | static_cast<std::uint32_t>(below);
  const auto [place, is_new] =
      stack_places_.try_emplace(key, static_cast<std::int32_t>(stacks_.size()));
  if (is_new) {
    const std::int32_t depth = stacks_[static_cast<std::size_t>(below)].depth + 1;
    stacks_.push_back({position, below, depth});
  }
  return place->second;
}

bool JsonAutomaton::can_end(const Reading& reading) const {
  const std::int32_t height = grammar_->position(reading.position).height;
  const std::int32_t depth = stacks_[static_cast<std::size_t>(reading.stack)].depth;
  return height <= JsonGrammar::kMaxDepth - depth;
}

/// Within a string, what may follow as plain characters; -1 elsewhere, and so deep that a character
/// of several bytes, which takes two rules more, would not fit.
std::int32_t JsonAutomaton::plain_of(const Reading& reading) const {
  const std::int32_t depth = stacks_[static_cast<std::size_t>(reading.stack)].depth;
  return depth + 2 > JsonGrammar::kMaxDepth
             ? -1
             : grammar_->position(reading.position).plain_characters;
}

/// Follows what needs no byte, then keeps the readings that wait for one.
JsonAutomaton::State JsonAutomaton::close(std::vector<Reading> readings) {
  std::set<Reading> seen;
  std::vector<Reading> waiting;
  bool complete = false;
  const auto add = [&](Reading reading) {
    if (seen.size() < 2 * kMaxReadings && can_end(reading) && seen.insert(reading).second) {
      readings.push_back(reading);
    }
  };
  std::vector<Reading> given = std::exchange(readings, {});
  for (const Reading& reading : given) add(reading);
  while (!readings.empty()) {
    const Reading reading = readings.back();
    readings.pop_back();
    const Position& position = grammar_->position(reading.position);
    if (!position.bytes.empty() && waiting.size() < kMaxReadings) waiting.push_back(reading);
    if (position.is_end && reading.stack == 0) complete = true;
    if (position.is_end && reading.stack != 0) {
      const StackEntry& top = stacks_[static_cast<std::size_t>(reading.stack)];
      add({top.position, top.below});
    }
    for (const std::int32_t target : position.jumps) add({target, reading.stack});
    for (const CallEdge& call : position.calls) {
      if (!can_end({call.target, reading.stack})) continue;
      add({call.rule, push(call.target, reading.stack)});
    }
  }
  if (waiting.empty() && !complete) return kDead;
  std::sort(waiting.begin(), waiting.end());
  return intern(std::move(waiting), complete);
}

JsonAutomaton::State JsonAutomaton::intern(std::vector<Reading> readings, bool complete) {
  const auto [place, is_new] =
      states_.try_emplace({readings, complete}, static_cast<State>(nodes_.size()));
  if (is_new) {
    Node made;
    made.complete = complete;
    for (const Reading& reading : readings) {
      made.plain_characters = std::max(made.plain_characters, plain_of(reading));
    }
    made.readings = std::move(readings);
    nodes_.push_back(std::move(made));
  }
  return place->second;
}

JsonAutomaton::State JsonAutomaton::next(State state, std::uint8_t byte) {
  Node& from = nodes_[static_cast<std::size_t>(state)];
  if (!from.next) {
    from.next = std::make_unique<std::array<State, 256>>();
    from.next->fill(kUnknown);
  }
  const State known = (*from.next)[byte];
  if (known != kUnknown) return known;
  std::vector<Reading> reached;
  for (const Reading& reading : from.readings) {
    for (const ByteEdge& edge : grammar_->position(reading.position).bytes) {
      if (byte < edge.low || byte > edge.high) continue;
      if (edge.rule < 0) {
        reached.push_back({edge.target, reading.stack});
      } else if (can_end({edge.target, reading.stack})) {
        reached.push_back({edge.rule, push(edge.target, reading.stack)});
      }
    }
  }
  const State found = reached.empty() ? kDead : close(std::move(reached));
  (*nodes_[static_cast<std::size_t>(state)].next)[byte] = found;  // close() may move nodes_
  return found;
}

std::bitset<256> JsonAutomaton::allowed_bytes(State state) {
  std::bitset<256> allowed;
  for (unsigned byte = 0; byte < 256; ++byte) {
    allowed[byte] = next(state, static_cast<std::uint8_t>(byte)) != kDead;
  }
  return allowed;
}

JsonAutomaton::State JsonAutomaton::without_strings(State state) {
  std::vector<Reading> others;
  for (const Reading& reading : node(state).readings) {
    if (plain_of(reading) < 0) others.push_back(reading);
  }
  return others.empty() ? kDead : intern(std::move(others), false);
}

JsonAutomaton::State JsonAutomaton::trim(State kept) {
  if (nodes_.size() < kMaxStates && stacks_.size() < kMaxStacks) return kept;
  const std::vector<StackEntry> old = std::exchange(stacks_, {{-1, -1, 0}});
  Node last = std::move(nodes_[static_cast<std::size_t>(kept)]);
  nodes_.clear();
  states_.clear();
  stack_places_.clear();
  ++generation_;
  start_ = close({{grammar_->start(), 0}});
  for (Reading& reading : last.readings) {
    std::vector<std::int32_t> positions;
    for (std::int32_t entry = reading.stack; entry != 0;
         entry = old[static_cast<std::size_t>(entry)].below) {
      positions.push_back(old[static_cast<std::size_t>(entry)].position);
    }
    reading.stack = 0;
    for (auto position = positions.rbegin(); position != positions.rend(); ++position) {
      reading.stack = push(*position, reading.stack);
    }
  }
  std::sort(last.readings.begin(), last.readings.end());
  return intern(std::move(last.readings), last.complete);
}

}  // namespace trine::input::json_grammar
