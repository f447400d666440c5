#include "server/body_fields.h"

#include <algorithm>
#include <cmath>

#include "server/json_tree.h"

namespace trine::server {
namespace {

/// Deepest nesting of brackets outside of strings. The parser builds values as deep as its input,
/// and whoever walks them recursively runs out of stack.
int depth_of(std::string_view text) {
  int depth = 0, deepest = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      deepest = std::max(deepest, ++depth);
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return deepest;
}

std::string range(double low, double high) {
  return "from " + Json(low).dump() + " to " + Json(high).dump();
}

}  // namespace

tl::unexpected<ApiError> refuse(std::string param, std::string message) {
  return tl::unexpected<ApiError>(
      ApiError{.status = 400, .message = std::move(message), .param = std::move(param)});
}

std::string dumped(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string shown(const Json& value) {
  constexpr std::size_t kMost = 60;
  std::string text = value.is_object()  ? "an object"
                     : value.is_array() ? "a list"
                                        : dumped(value);
  if (text.size() <= kMost) return text;
  std::size_t end = kMost;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

Parsed<Json> parse_body(std::string_view text) {
  if (depth_of(text) > kMostBodyDepth) {
    return refuse(
        "", "the body is nested more than " + std::to_string(kMostBodyDepth) + " levels deep");
  }
  auto body = parse_json_tree(text);
  if (!body) return refuse("", "the body is not JSON: " + body.error());
  if (!body->is_object()) {
    return refuse("", "the body is " + shown(*body) + ", expected an object");
  }
  return std::move(*body);
}

const Json* BodyFields::find(std::string_view field) const {
  const auto found = object_->find(field);
  return found == object_->end() || found->is_null() ? nullptr : &*found;
}

Parsed<double> BodyFields::number(std::string_view field, double low, double high,
                                  double absent) const {
  const Json* value = find(field);
  if (value == nullptr) return absent;
  const double number = value->is_number() ? value->get<double>() : std::nan("");
  if (number >= low && number <= high) return number;
  return refuse(name_of(field), name_of(field) + " is " + shown(*value) +
                                    ", expected a number " + range(low, high));
}

Parsed<std::int64_t> BodyFields::integer(std::string_view field, std::int64_t low,
                                         std::int64_t high, std::int64_t absent) const {
  const Json* value = find(field);
  if (value == nullptr) return absent;
  // A whole number above 2^63 is unsigned and would wrap.
  const bool fits = value->is_number_integer() &&
                    !(value->is_number_unsigned() && value->get<std::uint64_t>() >> 63 != 0);
  if (fits) {
    const auto number = value->get<std::int64_t>();
    if (number >= low && number <= high) return number;
  }
  return refuse(name_of(field), name_of(field) + " is " + shown(*value) +
                                    ", expected a whole number from " + std::to_string(low) +
                                    " to " + std::to_string(high));
}

Parsed<bool> BodyFields::boolean(std::string_view field, bool absent) const {
  const Json* value = find(field);
  if (value == nullptr) return absent;
  if (value->is_boolean()) return value->get<bool>();
  return refuse(name_of(field),
                name_of(field) + " is " + shown(*value) + ", expected true or false");
}

Parsed<std::string> BodyFields::text(std::string_view field, std::string absent) const {
  const Json* value = find(field);
  if (value == nullptr) return absent;
  if (value->is_string()) return value->get<std::string>();
  return refuse(name_of(field), name_of(field) + " is " + shown(*value) + ", expected a text");
}

}  // namespace trine::server
