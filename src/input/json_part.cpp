#include "input/json_part.h"

#include <algorithm>
#include <utility>

namespace trine::input {
namespace {

using simdjson::dom::element_type;

constexpr std::size_t kNoIndex = static_cast<std::size_t>(-1);

/// tokenizer.json nests 6 levels deep; a Sequence within a Sequence adds two.
constexpr std::size_t kMaxDepth = 64;

/// The shortest useful picture of a value for an error sentence.
std::string picture(simdjson::dom::element element) {
  constexpr std::size_t kLongest = 60;
  switch (element.type()) {
    case element_type::ARRAY: return "an array";
    case element_type::OBJECT: return "an object";
    default: break;
  }
  std::string text = simdjson::minify(element);
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "…";
  return text;
}

/// A key that two fields of one object share, searched for in `element` and all it holds.
/// Recursion is bounded: the parser refuses nesting above kMaxDepth.
std::optional<std::string_view> find_duplicate_key(simdjson::dom::element element) {
  if (simdjson::dom::array array; element.get(array) == simdjson::SUCCESS) {
    for (const simdjson::dom::element item : array) {
      if (const auto key = find_duplicate_key(item)) return key;
    }
    return std::nullopt;
  }
  simdjson::dom::object object;
  if (element.get(object) != simdjson::SUCCESS) return std::nullopt;
  std::vector<std::string_view> keys;
  for (const auto field : object) {
    if (const auto key = find_duplicate_key(field.value)) return key;
    keys.push_back(field.key);
  }
  std::sort(keys.begin(), keys.end());
  const auto twin = std::adjacent_find(keys.begin(), keys.end());
  return twin == keys.end() ? std::nullopt : std::optional(*twin);
}

}  // namespace

/// Where a value stands. Kept as a chain and only spelled out for an error, because a
/// vocabulary has hundreds of thousands of values.
struct JsonPart::Place {
  std::shared_ptr<const Place> parent{};
  std::string_view key{};
  std::size_t index = kNoIndex;
  std::string file{};  ///< of the root

  [[nodiscard]] std::string text() const {
    if (!parent) return file;
    const std::string before = parent->text();
    if (index != kNoIndex) return fmt::format("{}[{}]", before, index);
    return fmt::format("{}{}{}", before, parent->parent ? "." : ": ", key);
  }
};

std::shared_ptr<const JsonPart::Place> JsonPart::as_parent() const {
  if (key_.empty() && index_ == kNoIndex) return parent_;  // the root is its own place
  return std::make_shared<Place>(Place{.parent = parent_, .key = key_, .index = index_});
}

std::string JsonPart::place() const { return as_parent()->text(); }

tl::unexpected<Error> JsonPart::wrong(std::string_view expected) const {
  return fail(ErrorCode::kMalformed, "{} is {}, expected {}", place(), picture(element_),
              expected);
}

Result<std::string_view> JsonPart::string() const {
  std::string_view value;
  if (element_.get(value) != simdjson::SUCCESS) return wrong("a string");
  return value;
}

Result<std::int64_t> JsonPart::integer(std::int64_t low, std::int64_t high) const {
  std::int64_t value = 0;
  if (element_.get(value) == simdjson::SUCCESS && value >= low && value <= high) return value;
  return wrong(fmt::format("a whole number from {} to {}", low, high));
}

Result<double> JsonPart::number() const {
  double value = 0.0;
  if (element_.get(value) != simdjson::SUCCESS) return wrong("a number");
  return value;
}

Result<bool> JsonPart::boolean() const {
  bool value = false;
  if (element_.get(value) != simdjson::SUCCESS) return wrong("true or false");
  return value;
}

Result<std::vector<JsonPart>> JsonPart::items(std::size_t most) const {
  simdjson::dom::array array;
  if (element_.get(array) != simdjson::SUCCESS) return wrong("an array");
  const auto parent = as_parent();
  std::vector<JsonPart> parts;
  for (const simdjson::dom::element item : array) {
    if (parts.size() == most) {
      return fail(ErrorCode::kMalformed, "{} has more than {} items", place(), most);
    }
    parts.push_back(JsonPart(item, parent, {}, parts.size()));
  }
  return parts;
}

Result<std::vector<JsonPart>> JsonPart::fields(std::size_t most) const {
  simdjson::dom::object object;
  if (element_.get(object) != simdjson::SUCCESS) return wrong("an object");
  const auto parent = as_parent();
  std::vector<JsonPart> parts;
  for (const auto field : object) {
    if (parts.size() == most) {
      return fail(ErrorCode::kMalformed, "{} has more than {} fields", place(), most);
    }
    parts.push_back(JsonPart(field.value, parent, field.key, kNoIndex));
  }
  return parts;
}

std::optional<JsonPart> JsonPart::find(std::string_view name) const {
  simdjson::dom::object object;
  if (element_.get(object) != simdjson::SUCCESS) return std::nullopt;
  for (const auto each : object) {
    if (each.key != name) continue;
    if (each.value.is_null()) return std::nullopt;
    return JsonPart(each.value, as_parent(), each.key, kNoIndex);
  }
  return std::nullopt;
}

Result<JsonPart> JsonPart::field(std::string_view name) const {
  if (!element_.is_object()) return wrong("an object");
  if (const auto found = find(name)) return *found;
  return fail(ErrorCode::kMalformed, "{}: field \"{}\" is missing", place(), name);
}

Result<bool> JsonPart::boolean_or(std::string_view name, bool absent) const {
  const auto found = find(name);
  return found ? found->boolean() : absent;
}

Result<JsonDocument> JsonDocument::parse(std::string_view text, std::string name) {
  JsonDocument document(std::move(name));
  const simdjson::padded_string padded(text);
  auto error = document.parser_->allocate(padded.size(), kMaxDepth);
  if (error == simdjson::SUCCESS) error = document.parser_->parse(padded).get(document.root_);
  if (error != simdjson::SUCCESS) {
    return fail(ErrorCode::kMalformed, "{}: not valid JSON: {}", document.name_,
                simdjson::error_message(error));
  }
  if (const auto key = find_duplicate_key(document.root_)) {
    return fail(ErrorCode::kMalformed, "{}: duplicate key \"{}\"", document.name_, *key);
  }
  return document;
}

JsonPart JsonDocument::root() const {
  JsonPart::Place place;
  place.file = name_;
  return JsonPart(root_, std::make_shared<JsonPart::Place>(std::move(place)), {}, kNoIndex);
}

}  // namespace trine::input
