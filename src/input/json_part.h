// One value of a tokenizer.json together with its place, so that every complaint names it.
#pragma once

#include <simdjson.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace trine::input {

/// A value inside a JsonDocument, valid while the document lives. Cheap to copy.
/// Every reading function returns kMalformed, with file, path, finding and expectation, when
/// the value is of another type.
class JsonPart {
 public:
  /// For sentences: "models/x/tokenizer.json: model.merges[3]".
  [[nodiscard]] std::string place() const;
  /// The name under which the enclosing object holds this value.
  [[nodiscard]] std::string_view key() const noexcept { return key_; }

  [[nodiscard]] bool is_null() const { return element_.is_null(); }
  [[nodiscard]] bool is_string() const { return element_.is_string(); }

  [[nodiscard]] Result<std::string_view> string() const;
  /// Whole number in [low, high].
  [[nodiscard]] Result<std::int64_t> integer(std::int64_t low, std::int64_t high) const;
  /// Any number; finite, since JSON writes no other.
  [[nodiscard]] Result<double> number() const;
  [[nodiscard]] Result<bool> boolean() const;
  /// The values of an array or of an object, in order; at most `most` of them.
  [[nodiscard]] Result<std::vector<JsonPart>> items(std::size_t most) const;
  [[nodiscard]] Result<std::vector<JsonPart>> fields(std::size_t most) const;

  /// The field of an object; a null one counts as absent, and so does one of a non-object.
  [[nodiscard]] std::optional<JsonPart> find(std::string_view name) const;
  /// The same; kMalformed when this is no object or the field is absent.
  [[nodiscard]] Result<JsonPart> field(std::string_view name) const;
  [[nodiscard]] Result<bool> boolean_or(std::string_view name, bool absent) const;

  /// An error about this value: "<place> is <value>, expected <expected>".
  [[nodiscard]] tl::unexpected<Error> wrong(std::string_view expected) const;

 private:
  friend class JsonDocument;
  struct Place;

  JsonPart(simdjson::dom::element element, std::shared_ptr<const Place> parent,
           std::string_view key, std::size_t index)
      : element_(element), parent_(std::move(parent)), key_(key), index_(index) {}
  [[nodiscard]] std::shared_ptr<const Place> as_parent() const;

  simdjson::dom::element element_;
  std::shared_ptr<const Place> parent_;
  std::string_view key_;  ///< in an object
  std::size_t index_;     ///< in an array, kNoIndex elsewhere
};

/// A parsed JSON text: strict, no object with two equal keys, nesting of bounded depth.
class JsonDocument {
 public:
  /// kMalformed, with `name` in the sentence, for anything else.
  [[nodiscard]] static Result<JsonDocument> parse(std::string_view text, std::string name);

  [[nodiscard]] JsonPart root() const;

 private:
  explicit JsonDocument(std::string name)
      : name_(std::move(name)), parser_(std::make_unique<simdjson::dom::parser>()) {}

  std::string name_;
  std::unique_ptr<simdjson::dom::parser> parser_;  ///< on the heap: elements point into it
  simdjson::dom::element root_{};
};

}  // namespace trine::input
