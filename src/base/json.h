// Small JSON files read strictly: config.json, indexes, manifests, plans.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace trine::base {

using Json = nlohmann::json;
/// The same with the fields of an object in the order of the text, where that means something.
using OrderedJson = nlohmann::ordered_json;

inline constexpr std::size_t kMaxJsonBytes = 64u << 20;  ///< a config is kB, an index a few MB
inline constexpr int kMaxJsonDepth = 64;

/// Parses `text` as one JSON value. kMalformed, with `name` in the sentence, for syntax errors,
/// duplicate keys, invalid UTF-8, nesting above kMaxJsonDepth or more than kMaxJsonBytes.
[[nodiscard]] Result<Json> parse_json(std::string_view text, std::string_view name);

/// The same in the order of the text; time grows with the text alone, however many fields an
/// object has.
[[nodiscard]] Result<OrderedJson> parse_ordered_json(std::string_view text,
                                                     std::string_view name);

/// parse_json of a whole file; kNotFound or kIo when it cannot be read.
[[nodiscard]] Result<Json> read_json_file(const std::filesystem::path& path);

/// Reads typed fields of one JSON object and names file, field, value found and expectation
/// when one is missing or wrong. A field that is null counts as absent.
class JsonFields {
 public:
  JsonFields(const Json& object, std::string name) : object_(&object), name_(std::move(name)) {}

  [[nodiscard]] bool has(std::string_view field) const;
  /// Whole number in [low, high].
  [[nodiscard]] Result<std::int64_t> integer(std::string_view field, std::int64_t low,
                                             std::int64_t high) const;
  [[nodiscard]] Result<std::int64_t> integer_or(std::string_view field, std::int64_t low,
                                                std::int64_t high, std::int64_t absent) const;
  /// Finite number in [low, high].
  [[nodiscard]] Result<double> number(std::string_view field, double low, double high) const;
  [[nodiscard]] Result<double> number_or(std::string_view field, double low, double high,
                                         double absent) const;
  [[nodiscard]] Result<bool> boolean_or(std::string_view field, bool absent) const;
  [[nodiscard]] Result<std::string> string(std::string_view field) const;
  [[nodiscard]] Result<std::string> string_or(std::string_view field, std::string absent) const;
  /// A nested object; the returned reader is named `name.field`.
  [[nodiscard]] Result<JsonFields> object(std::string_view field) const;

  [[nodiscard]] const Json& json() const noexcept { return *object_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

 private:
  [[nodiscard]] const Json* find(std::string_view field) const;
  [[nodiscard]] tl::unexpected<Error> wrong(std::string_view field, const Json* found,
                                            std::string_view expected) const;

  const Json* object_;
  std::string name_;
};

}  // namespace trine::base
