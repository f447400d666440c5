// The shape of every list of supported kinds: a name in tokenizer.json, and who reads it.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "input/json_part.h"

namespace trine::input {

/// One row of a registry.cpp: parts whose "type" is `type` are read by `read`.
template <class Reader>
struct PartKind {
  std::string_view type;
  Reader* read;
};

/// The "type" of `part` when it has one; kMalformed when it is missing or no string.
[[nodiscard]] inline Result<std::string_view> part_type(const JsonPart& part) {
  TRINE_ASSIGN_OR_RETURN(const JsonPart type, part.field("type"));
  return type.string();
}

/// kUnsupported: "<place> is of type "X", which Trine does not know; known: A, B".
template <class Reader, std::size_t Count>
[[nodiscard]] tl::unexpected<Error> unknown_kind(
    const std::array<PartKind<Reader>, Count>& kinds, const JsonPart& part,
    std::string_view type) {
  std::string known;
  for (const auto& kind : kinds) {
    if (!known.empty()) known += ", ";
    known += kind.type;
  }
  return fail(ErrorCode::kUnsupported,
              "{} is of type \"{}\", which Trine does not know; known: {}", part.place(), type,
              known);
}

/// The reader for `part`, chosen by its "type".
template <class Reader, std::size_t Count>
[[nodiscard]] Result<Reader*> find_reader(const std::array<PartKind<Reader>, Count>& kinds,
                                          const JsonPart& part) {
  TRINE_ASSIGN_OR_RETURN(const std::string_view type, part_type(part));
  for (const auto& kind : kinds) {
    if (kind.type == type) return kind.read;
  }
  return unknown_kind(kinds, part, type);
}

/// The pattern {"String": "…"} of a Replace: a text, not empty, searched for as it stands.
[[nodiscard]] Result<std::string> read_text_pattern(const JsonPart& part);

}  // namespace trine::input
