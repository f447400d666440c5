// The JSON body of a request, read strictly: every refusal names the field.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "server/api_error.h"

namespace trine::server {

using Json = nlohmann::ordered_json;

/// A value or a refusal.
template <class T>
using Parsed = tl::expected<T, ApiError>;

[[nodiscard]] tl::unexpected<ApiError> refuse(std::string param, std::string message);

inline constexpr int kMostBodyDepth = 100;

/// One JSON object; 400 for anything else, and for nesting deeper than kMostBodyDepth.
[[nodiscard]] Parsed<Json> parse_body(std::string_view text);

/// Typed fields of one object. null counts as absent; fields that nobody asks for are ignored.
class BodyFields {
 public:
  explicit BodyFields(const Json& object, std::string prefix = {})
      : object_(&object), prefix_(std::move(prefix)) {}

  /// Null when it is absent.
  [[nodiscard]] const Json* find(std::string_view field) const;
  [[nodiscard]] Parsed<double> number(std::string_view field, double low, double high,
                                      double absent) const;
  [[nodiscard]] Parsed<std::int64_t> integer(std::string_view field, std::int64_t low,
                                             std::int64_t high, std::int64_t absent) const;
  [[nodiscard]] Parsed<bool> boolean(std::string_view field, bool absent) const;
  [[nodiscard]] Parsed<std::string> text(std::string_view field, std::string absent) const;
  [[nodiscard]] std::string name_of(std::string_view field) const {
    return prefix_ + std::string(field);
  }

 private:
  const Json* object_;
  std::string prefix_;
};

/// At most 60 characters of a value, for error messages.
[[nodiscard]] std::string shown(const Json& value);

/// As nlohmann's dump, with U+FFFD for what is not UTF-8.
[[nodiscard]] std::string dumped(const Json& value);

}  // namespace trine::server

/// Leaves the function with the refusal of `expression`, or declares its value.
#define TRINE_PARSE(declaration, expression) \
  TRINE_PARSE_NAMED(TRINE_PARSE_CONCAT(parsed_, __LINE__), declaration, expression)
#define TRINE_PARSE_CONCAT_INNER(a, b) a##b
#define TRINE_PARSE_CONCAT(a, b) TRINE_PARSE_CONCAT_INNER(a, b)
#define TRINE_PARSE_NAMED(result, declaration, expression)                 \
  auto result = (expression);                                              \
  if (!result) return tl::unexpected<ApiError>(std::move(result).error()); \
  declaration = std::move(*result)
