// Whether a value fits a schema, straight from what the keywords mean. Knows nothing of grammars.
#pragma once

#include <algorithm>
#include <string>

#include "base/json.h"

namespace trine::input::json_grammar {

using base::OrderedJson;

/// Characters of UTF-8.
inline std::size_t count_code_points(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) >> 6) != 2;
  }));
}

inline bool is_of_type(const OrderedJson& value, const std::string& type) {
  return (type == "object" && value.is_object()) || (type == "array" && value.is_array()) ||
         (type == "string" && value.is_string()) ||
         (type == "integer" && value.is_number_integer()) ||
         (type == "number" && value.is_number()) || (type == "boolean" && value.is_boolean()) ||
         (type == "null" && value.is_null());
}

bool fits(const OrderedJson& value, const OrderedJson& schema, const OrderedJson& root);

inline bool fits_object(const OrderedJson& value, const OrderedJson& schema,
                        const OrderedJson& root) {
  const OrderedJson properties = schema.value("properties", OrderedJson::object());
  for (const auto& name : schema.value("required", OrderedJson::array())) {
    if (!value.contains(name.get<std::string>())) return false;
  }
  const OrderedJson others = schema.value("additionalProperties", OrderedJson(true));
  for (const auto& [key, field] : value.items()) {
    if (!fits(field, properties.contains(key) ? properties[key] : others, root)) return false;
  }
  return true;
}

inline bool fits(const OrderedJson& value, const OrderedJson& schema, const OrderedJson& root) {
  if (schema.is_boolean()) return schema.get<bool>();
  if (schema.contains("$ref")) {
    const std::string pointer = schema["$ref"].get<std::string>().substr(1);
    return fits(value, root.at(OrderedJson::json_pointer(pointer)), root);
  }
  if (schema.contains("anyOf")) {
    return std::any_of(schema["anyOf"].begin(), schema["anyOf"].end(),
                       [&](const OrderedJson& choice) { return fits(value, choice, root); });
  }
  if (schema.contains("const")) return value == schema["const"];
  if (schema.contains("enum")) {
    return std::find(schema["enum"].begin(), schema["enum"].end(), value) !=
           schema["enum"].end();
  }
  if (schema.contains("type")) {
    const OrderedJson types =
        schema["type"].is_array() ? schema["type"] : OrderedJson::array({schema["type"]});
    const bool typed = std::any_of(types.begin(), types.end(), [&](const OrderedJson& type) {
      return is_of_type(value, type.get<std::string>());
    });
    if (!typed) return false;
  }
  if (value.is_object()) return fits_object(value, schema, root);
  if (value.is_string()) {
    const std::size_t length = count_code_points(value.get<std::string>());
    return length >= schema.value("minLength", std::size_t{0}) &&
           length <= schema.value("maxLength", std::size_t{1} << 30);
  }
  if (!value.is_array()) return true;
  const OrderedJson items = schema.value("items", OrderedJson(true));
  return value.size() >= schema.value("minItems", std::size_t{0}) &&
         value.size() <= schema.value("maxItems", std::size_t{1} << 30) &&
         std::all_of(value.begin(), value.end(),
                     [&](const OrderedJson& item) { return fits(item, items, root); });
}

}  // namespace trine::input::json_grammar
