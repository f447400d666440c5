// Which texts a constrained answer may be: JSON objects, or what a JSON schema describes.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace trine::input::json_grammar {

/// From a position, a byte in [low, high] leads to `target`; with `rule` that rule is run through
/// first.
struct ByteEdge {
  std::uint8_t low = 0;
  std::uint8_t high = 0;
  std::int32_t target = 0;
  std::int32_t rule = -1;
};

/// Runs through the rule that starts at `rule`, then goes on at `target`.
struct CallEdge {
  std::int32_t rule = 0;
  std::int32_t target = 0;
};

/// A place within a rule.
struct Position {
  std::vector<ByteEdge> bytes{};
  std::vector<std::int32_t> jumps{};
  std::vector<CallEdge> calls{};
  bool is_end = false;  ///< of its rule
  /// Within a string: characters that need no escape and may still come, kUnlimited for any
  /// number; -1 elsewhere.
  std::int32_t plain_characters = -1;
  /// Rules within each other that the way to the rule's end takes at least; kNever: there is none.
  std::int32_t height = 0;
};

inline constexpr std::int32_t kUnlimited = INT32_MAX;
inline constexpr std::int32_t kNever = INT32_MAX;

/// Rules of bytes that call each other: a recursive transition network. Immutable.
///
/// What it writes is a little narrower than JSON, so that a model cannot go on for ever: between
/// tokens at most one space, or a line feed and 32 spaces or tabs; numbers of at most 18 digits on
/// either side of the point and an exponent of two; values nested at most kMaxDepth deep.
class JsonGrammar {
 public:
  /// Rules within each other at any moment; objects and arrays of a schema without $ref take two,
  /// those of any value four.
  static constexpr std::int32_t kMaxDepth = 128;

  /// Any JSON object. Keys may repeat: no automaton can remember them.
  [[nodiscard]] static JsonGrammar any_object();

  /// The values that `schema` describes. Supported: type (one or several), properties in the
  /// schema's order, required, additionalProperties, items, minItems, maxItems, minLength,
  /// maxLength, enum, const, anyOf, $ref to "#", "#/$defs/…" and "#/definitions/…"; titles,
  /// descriptions and other notes are passed over. An object with properties gets these and no
  /// others, whatever additionalProperties says. kUnsupported names another keyword and its
  /// place, and schemas that are too large; kMalformed a keyword's wrong value, and a schema that
  /// no text fits. `name` stands in sentences.
  [[nodiscard]] static Result<JsonGrammar> from_schema(const base::OrderedJson& schema,
                                                       std::string_view name);

  [[nodiscard]] const Position& position(std::int32_t index) const {
    return positions_[static_cast<std::size_t>(index)];
  }
  [[nodiscard]] std::size_t size() const noexcept { return positions_.size(); }
  [[nodiscard]] std::int32_t start() const noexcept { return start_; }

 private:
  friend class GrammarBuilder;
  JsonGrammar() = default;

  std::vector<Position> positions_;
  std::int32_t start_ = 0;
};

}  // namespace trine::input::json_grammar
