#include "input/json_grammar/grammar_builder.h"

#include <algorithm>
#include <map>

namespace trine::input::json_grammar {
namespace {

constexpr int kMostDigits = 18;         // every such whole number fits 64 bits
constexpr int kMostExponentDigits = 2;  // and every such number a double
constexpr int kMostIndent = 32;

}  // namespace

GrammarBuilder::GrammarBuilder() {
  make_white_space();
  make_continuations();
  make_escape();
}

std::int32_t GrammarBuilder::add_position() {
  if (grammar_.positions_.size() >= kMaxPositions) {
    full_ = true;  // the last one takes what comes, and finish() refuses
  } else {
    grammar_.positions_.emplace_back();
  }
  return static_cast<std::int32_t>(grammar_.positions_.size()) - 1;
}

GrammarBuilder::Rule GrammarBuilder::add_rule() {
  const Rule rule{add_position(), add_position()};
  at(rule.end).is_end = true;
  return rule;
}

void GrammarBuilder::bytes(std::int32_t from, unsigned low, unsigned high, std::int32_t to,
                           std::int32_t rule) {
  if (!has_room()) return;
  at(from).bytes.push_back(
      {static_cast<std::uint8_t>(low), static_cast<std::uint8_t>(high), to, rule});
}

void GrammarBuilder::literal(std::int32_t from, std::string_view text, std::int32_t to) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::int32_t next = i + 1 == text.size() ? to : add_position();
    const auto byte = static_cast<unsigned char>(text[i]);
    bytes(from, byte, byte, next);
    from = next;
  }
}

void GrammarBuilder::one_of(std::int32_t from, const std::vector<std::string>& texts,
                            std::int32_t to) {
  // A tree of beginnings; the last byte of each text leads to `to`.
  std::map<std::pair<std::int32_t, char>, std::int32_t> children;
  for (const std::string& text : texts) {
    std::int32_t place = from;
    for (std::size_t i = 0; i + 1 < text.size() && !full_; ++i) {
      const auto [child, is_new] = children.try_emplace({place, text[i]}, 0);
      if (is_new) {
        const auto byte = static_cast<unsigned char>(text[i]);
        child->second = add_position();
        bytes(place, byte, byte, child->second);
      }
      place = child->second;
    }
    const auto last = static_cast<unsigned char>(text.back());
    bytes(place, last, last, to);
  }
}

void GrammarBuilder::make_white_space() {
  const Rule rule = add_rule();
  white_space_ = rule.start;
  at(rule.start).is_end = true;
  bytes(rule.start, ' ', ' ', rule.end);
  std::int32_t place = add_position();
  bytes(rule.start, '\n', '\n', place);
  for (int i = 0; i < kMostIndent; ++i) {
    at(place).is_end = true;
    const std::int32_t next = i + 1 == kMostIndent ? rule.end : add_position();
    bytes(place, ' ', ' ', next);
    bytes(place, '\t', '\t', next);
    place = next;
  }
}

/// Table 3-7 of the Unicode Standard: what may follow each first byte of a character.
void GrammarBuilder::make_continuations() {
  for (int count = 1; count <= 3; ++count) {
    const Rule rule = add_rule();
    continuations_[count] = rule.start;
    std::int32_t place = rule.start;
    for (int i = 1; i <= count; ++i) {
      const std::int32_t next = i == count ? rule.end : add_position();
      bytes(place, 0x80, 0xBF, next);
      place = next;
    }
  }
  struct Narrow {
    unsigned low, high;
    int further;
  };
  constexpr Narrow kNarrow[] = {
      {0xA0, 0xBF, 1}, {0x80, 0x9F, 1}, {0x90, 0xBF, 2}, {0x80, 0x8F, 2}};
  for (std::size_t i = 0; i < std::size(kNarrow); ++i) {
    const Rule rule = add_rule();
    narrow_[i] = rule.start;
    bytes(rule.start, kNarrow[i].low, kNarrow[i].high, rule.end,
          continuations_[kNarrow[i].further]);
  }
}

void GrammarBuilder::hexadecimal(std::int32_t from, int count, std::int32_t to) {
  for (int i = 0; i < count; ++i) {
    const std::int32_t next = i + 1 == count ? to : add_position();
    bytes(from, '0', '9', next);
    bytes(from, 'A', 'F', next);
    bytes(from, 'a', 'f', next);
    from = next;
  }
}

/// What follows a backslash. Halves of surrogate pairs come in pairs only.
void GrammarBuilder::make_escape() {
  const Rule rule = add_rule();
  escape_ = rule.start;
  for (const char letter : std::string_view("\"\\/bfnrt")) {
    const auto byte = static_cast<unsigned char>(letter);
    bytes(rule.start, byte, byte, rule.end);
  }
  const std::int32_t code = add_position();
  bytes(rule.start, 'u', 'u', code);
  const std::int32_t three_left = add_position();
  hexadecimal(three_left, 3, rule.end);
  for (const std::string_view range : {"09", "AC", "EF", "ac", "ef"}) {
    bytes(code, static_cast<unsigned char>(range[0]), static_cast<unsigned char>(range[1]),
          three_left);
  }
  const std::int32_t after_d = add_position();
  bytes(code, 'D', 'D', after_d);
  bytes(code, 'd', 'd', after_d);
  const std::int32_t two_left = add_position();
  hexadecimal(two_left, 2, rule.end);
  bytes(after_d, '0', '7', two_left);
  const std::int32_t high_half = add_position();
  for (const std::string_view range : {"89", "AB", "ab"}) {
    bytes(after_d, static_cast<unsigned char>(range[0]), static_cast<unsigned char>(range[1]),
          high_half);
  }
  const std::int32_t before_low = add_position();
  hexadecimal(high_half, 2, before_low);
  const std::int32_t low_half = add_position();
  const std::int32_t low_second = add_position();
  literal(before_low, "\\u", low_half);
  bytes(low_half, 'D', 'D', low_second);
  bytes(low_half, 'd', 'd', low_second);
  bytes(low_second, 'C', 'F', two_left);
  bytes(low_second, 'c', 'f', two_left);
}

void GrammarBuilder::character(std::int32_t from, std::int32_t to) {
  bytes(from, 0x20, '"' - 1, to);
  bytes(from, '"' + 1, '\\' - 1, to);
  bytes(from, '\\' + 1, 0x7F, to);
  bytes(from, '\\', '\\', to, escape_);
  bytes(from, 0xC2, 0xDF, to, continuations_[1]);
  bytes(from, 0xE0, 0xE0, to, narrow_[0]);
  bytes(from, 0xE1, 0xEC, to, continuations_[2]);
  bytes(from, 0xED, 0xED, to, narrow_[1]);
  bytes(from, 0xEE, 0xEF, to, continuations_[2]);
  bytes(from, 0xF0, 0xF0, to, narrow_[2]);
  bytes(from, 0xF1, 0xF3, to, continuations_[3]);
  bytes(from, 0xF4, 0xF4, to, narrow_[3]);
}

void GrammarBuilder::string(std::int32_t from, std::int32_t least, std::int32_t most,
                            std::int32_t to) {
  std::int32_t place = add_position();
  bytes(from, '"', '"', place);
  const std::int32_t last = most == kUnlimited ? least : most;
  for (std::int32_t count = 0; !full_; ++count) {
    at(place).plain_characters = most == kUnlimited ? kUnlimited : most - count;
    if (count >= least) bytes(place, '"', '"', to);
    if (count == last) break;
    const std::int32_t next = add_position();
    character(place, next);
    place = next;
  }
  if (most == kUnlimited) character(place, place);
}

void GrammarBuilder::digits(std::int32_t from, int least, int most, std::int32_t to) {
  for (int count = 0; count < most; ++count) {
    if (count >= least) jump(from, to);
    const std::int32_t next = count + 1 == most ? to : add_position();
    bytes(from, '0', '9', next);
    from = next;
  }
}

void GrammarBuilder::integer(std::int32_t from, std::int32_t to) {
  const std::int32_t unsigned_part = add_position();
  const std::int32_t further = add_position();
  bytes(from, '-', '-', unsigned_part);
  for (const std::int32_t start : {from, unsigned_part}) {
    bytes(start, '0', '0', to);
    bytes(start, '1', '9', further);
  }
  digits(further, 0, kMostDigits - 1, to);
}

void GrammarBuilder::number(std::int32_t from, std::int32_t to) {
  const std::int32_t whole = add_position();
  integer(from, whole);
  jump(whole, to);
  const std::int32_t fraction = add_position();
  const std::int32_t before_exponent = add_position();
  bytes(whole, '.', '.', fraction);
  digits(fraction, 1, kMostDigits, before_exponent);
  jump(before_exponent, to);
  const std::int32_t sign = add_position();
  const std::int32_t exponent = add_position();
  for (const std::int32_t place : {whole, before_exponent}) {
    bytes(place, 'e', 'e', sign);
    bytes(place, 'E', 'E', sign);
  }
  bytes(sign, '+', '+', exponent);
  bytes(sign, '-', '-', exponent);
  jump(sign, exponent);
  digits(exponent, 1, kMostExponentDigits, to);
}

void GrammarBuilder::array(std::int32_t from, std::int32_t item, std::int32_t least,
                           std::int32_t most, std::int32_t to) {
  const std::int32_t opened = add_position();
  const std::int32_t first = add_position();
  bytes(from, '[', '[', opened);
  white_space(opened, first);
  if (least == 0) bytes(first, ']', ']', to);
  const auto add_item = [&](std::int32_t place, std::int32_t next) {
    const std::int32_t behind = add_position();
    call(place, item, behind);
    white_space(behind, next);
  };
  const std::int32_t last = most == kUnlimited ? std::max(least, 1) : most;
  std::int32_t before = first;
  for (std::int32_t count = 1; count <= last && !full_; ++count) {
    const std::int32_t behind = add_position();
    add_item(before, behind);
    if (count >= least) bytes(behind, ']', ']', to);
    const bool repeats = most == kUnlimited && count == last;
    if (count == last && !repeats) break;
    const std::int32_t comma = add_position();
    const std::int32_t next = add_position();
    bytes(behind, ',', ',', comma);
    white_space(comma, next);
    if (repeats) add_item(next, behind);
    before = next;
  }
}

void GrammarBuilder::map(std::int32_t from, std::int32_t value, std::int32_t to) {
  const std::int32_t opened = add_position();
  const std::int32_t first = add_position();
  const std::int32_t key = add_position();
  const std::int32_t behind_key = add_position();
  const std::int32_t colon = add_position();
  const std::int32_t behind_colon = add_position();
  const std::int32_t before_value = add_position();
  const std::int32_t behind_value = add_position();
  const std::int32_t behind = add_position();
  const std::int32_t comma = add_position();
  bytes(from, '{', '{', opened);
  white_space(opened, first);
  bytes(first, '}', '}', to);
  jump(first, key);
  string(key, 0, kUnlimited, behind_key);
  white_space(behind_key, colon);
  bytes(colon, ':', ':', behind_colon);
  white_space(behind_colon, before_value);
  call(before_value, value, behind_value);
  white_space(behind_value, behind);
  bytes(behind, '}', '}', to);
  bytes(behind, ',', ',', comma);
  white_space(comma, key);
}

std::int32_t GrammarBuilder::any_value() {
  if (any_value_ >= 0) return any_value_;
  const Rule rule = add_rule();
  any_value_ = rule.start;
  string(rule.start, 0, kUnlimited, rule.end);
  number(rule.start, rule.end);
  one_of(rule.start, {"true", "false", "null"}, rule.end);
  array(rule.start, rule.start, 0, kUnlimited, rule.end);
  map(rule.start, rule.start, rule.end);
  return any_value_;
}

/// The least fixed point; positions are made from front to back, so going backwards settles
/// chains at once, and every further round is for rules that call each other.
void GrammarBuilder::measure_heights() {
  std::vector<Position>& positions = grammar_.positions_;
  for (Position& position : positions) position.height = position.is_end ? 0 : kNever;
  const auto height = [&](std::int32_t index) { return at(index).height; };
  const auto call_height = [&](std::int32_t rule, std::int32_t target) {
    const std::int32_t inside = height(rule);
    return inside == kNever ? kNever : std::max(inside + 1, height(target));
  };
  for (bool changed = true; changed;) {
    changed = false;
    for (auto position = positions.rbegin(); position != positions.rend(); ++position) {
      std::int32_t least = position->height;
      for (const ByteEdge& edge : position->bytes) {
        least = std::min(
            least, edge.rule < 0 ? height(edge.target) : call_height(edge.rule, edge.target));
      }
      for (const std::int32_t target : position->jumps) least = std::min(least, height(target));
      for (const CallEdge& edge : position->calls) {
        least = std::min(least, call_height(edge.rule, edge.target));
      }
      changed = changed || least != position->height;
      position->height = least;
    }
  }
}

/// Whether some position leads back to itself without a byte: then there are endless ways to read
/// nothing.
bool GrammarBuilder::begins_with_itself() const {
  enum class Mark : std::uint8_t { kNew, kOpen, kDone };
  const std::vector<Position>& positions = grammar_.positions_;
  std::vector<Mark> marks(positions.size(), Mark::kNew);
  const auto successors = [&](std::int32_t index) {
    const Position& position = positions[static_cast<std::size_t>(index)];
    std::vector<std::int32_t> all = position.jumps;
    for (const CallEdge& edge : position.calls) {
      all.push_back(edge.rule);
      if (edge.rule == white_space_) all.push_back(edge.target);  // the one empty rule
    }
    return all;
  };
  struct Frame {
    std::int32_t position;
    std::vector<std::int32_t> left;
  };
  for (std::size_t root = 0; root < positions.size(); ++root) {
    if (marks[root] != Mark::kNew) continue;
    std::vector<Frame> path;
    path.push_back(
        {static_cast<std::int32_t>(root), successors(static_cast<std::int32_t>(root))});
    marks[root] = Mark::kOpen;
    while (!path.empty()) {
      if (path.back().left.empty()) {
        marks[static_cast<std::size_t>(path.back().position)] = Mark::kDone;
        path.pop_back();
        continue;
      }
      const std::int32_t next = path.back().left.back();
      path.back().left.pop_back();
      Mark& mark = marks[static_cast<std::size_t>(next)];
      if (mark == Mark::kOpen) return true;
      if (mark == Mark::kDone) continue;
      mark = Mark::kOpen;
      path.push_back({next, successors(next)});
    }
  }
  return false;
}

Result<JsonGrammar> GrammarBuilder::finish(std::int32_t start) {
  if (full_) {
    return fail(ErrorCode::kUnsupported,
                "the schema needs more than {} states or {} ways between them", kMaxPositions,
                kMaxEdges);
  }
  if (begins_with_itself()) {
    return fail(ErrorCode::kMalformed, "a $ref leads back to itself with no value in between");
  }
  measure_heights();
  if (at(start).height > JsonGrammar::kMaxDepth) {
    return fail(ErrorCode::kMalformed,
                "no finite text fits the schema, or none within {} levels",
                JsonGrammar::kMaxDepth);
  }
  grammar_.start_ = start;
  return std::move(grammar_);
}

JsonGrammar JsonGrammar::any_object() {
  GrammarBuilder builder;
  const GrammarBuilder::Rule rule = builder.add_rule();
  builder.map(rule.start, builder.any_value(), rule.end);
  Result<JsonGrammar> grammar = builder.finish(rule.start);
  check(grammar.has_value(), "the grammar of JSON objects is refused");
  return std::move(*grammar);
}

}  // namespace trine::input::json_grammar
