// From a JSON schema to a grammar. One function per kind of value; a keyword that none of them
// knows is refused, so that no promise of a schema is broken silently.
#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <unordered_set>

#include "input/json_grammar/grammar_builder.h"

namespace trine::input::json_grammar {
namespace {

using base::OrderedJson;

constexpr std::size_t kMaxDefinitions = 512;
constexpr std::size_t kMaxSchemaDepth = 64;
constexpr std::int64_t kMostCount = GrammarBuilder::kMaxPositions;  // more needs more states

/// Keywords that say nothing about which values are valid.
constexpr std::array<std::string_view, 12> kNotes = {
    "title",    "description", "default", "examples",    "$schema",  "$id",
    "$comment", "deprecated",  "$defs",   "definitions", "readOnly", "writeOnly"};

/// Types and the keywords that are about values of that type.
struct TypeRow {
  std::string_view name;
  std::array<std::string_view, 3> keywords;
};
constexpr std::array kTypes = {
    TypeRow{"object", {"properties", "required", "additionalProperties"}},
    TypeRow{"array", {"items", "minItems", "maxItems"}},
    TypeRow{"string", {"minLength", "maxLength", ""}},
    TypeRow{"integer", {"", "", ""}},
    TypeRow{"number", {"", "", ""}},
    TypeRow{"boolean", {"", "", ""}},
    TypeRow{"null", {"", "", ""}},
};

template <class List>
bool is_in(const List& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

/// As JSON writes it without white space.
std::string written(const OrderedJson& value) {
  return value.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

bool has_type(const OrderedJson& value, std::string_view type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  if (type == "boolean") return value.is_boolean();
  return value.is_null();
}

/// A step of a JSON pointer, with ~ and / as it writes them.
std::string pointer_step(std::string_view key) {
  std::string step = "/";
  for (const char letter : key) {
    if (letter == '~') {
      step += "~0";
    } else if (letter == '/') {
      step += "~1";
    } else {
      step += letter;
    }
  }
  return step;
}

class SchemaCompiler {
 public:
  SchemaCompiler(const OrderedJson& root, std::string_view name) : root_(root), name_(name) {}

  Result<JsonGrammar> run() {
    TRINE_ASSIGN_OR_RETURN(const std::int32_t start, definition("#"));
    while (!waiting_.empty()) {
      const Waiting next = waiting_.back();
      waiting_.pop_back();
      TRINE_RETURN_IF_ERROR(compile(*next.schema, next.path, next.rule.start, next.rule.end));
    }
    Result<JsonGrammar> grammar = builder_.finish(start);
    if (!grammar) {
      return fail(grammar.error().code, "{}: {}", name_, grammar.error().message);
    }
    return grammar;
  }

 private:
  struct Waiting {
    const OrderedJson* schema;
    std::string path;
    GrammarBuilder::Rule rule;
  };

  tl::unexpected<Error> wrong(const std::string& path, std::string_view keyword,
                              std::string_view expected) const {
    return fail(ErrorCode::kMalformed, "{}: {}: \"{}\" must be {}", name_, path, keyword,
                expected);
  }
  tl::unexpected<Error> refused(const std::string& path, std::string_view keyword) const {
    return fail(ErrorCode::kUnsupported, "{}: {}: keyword \"{}\" is not supported", name_, path,
                keyword);
  }

  /// The rule of "#" or "#/$defs/…", compiled later, once.
  Result<std::int32_t> definition(const std::string& reference) {
    const auto known = rules_.find(reference);
    if (known != rules_.end()) return known->second;
    const bool is_local = reference == "#" || reference.starts_with("#/$defs/") ||
                          reference.starts_with("#/definitions/");
    const OrderedJson* schema = is_local ? resolve(reference.substr(1)) : nullptr;
    if (schema == nullptr) {
      return fail(is_local ? ErrorCode::kMalformed : ErrorCode::kUnsupported,
                  "{}: $ref \"{}\" leads to nothing; known are #, #/$defs/… and "
                  "#/definitions/… of the schema itself",
                  name_, reference);
    }
    if (rules_.size() >= kMaxDefinitions) {
      return fail(ErrorCode::kUnsupported, "{}: more than {} definitions", name_,
                  kMaxDefinitions);
    }
    const GrammarBuilder::Rule rule = builder_.add_rule();
    rules_.emplace(reference, rule.start);
    waiting_.push_back({schema, reference, rule});
    return rule.start;
  }

  [[nodiscard]] const OrderedJson* resolve(std::string_view pointer) const {
    const OrderedJson* place = &root_;
    while (!pointer.empty()) {
      pointer.remove_prefix(1);
      const std::size_t end = std::min(pointer.find('/'), pointer.size());
      std::string key;
      for (std::size_t i = 0; i < end; ++i) {
        const bool escaped = pointer[i] == '~' && i + 1 < end;
        key += escaped ? (pointer[++i] == '1' ? '/' : '~') : pointer[i];
      }
      if (!place->is_object()) return nullptr;
      const auto found = place->find(key);
      if (found == place->end()) return nullptr;
      place = &*found;
      pointer.remove_prefix(end);
    }
    return place;
  }

  Status compile(const OrderedJson& schema, const std::string& path, std::int32_t from,
                 std::int32_t to) {
    if (builder_.is_full()) return {};  // finish() refuses
    if (depth_ >= kMaxSchemaDepth) {
      return fail(ErrorCode::kUnsupported, "{}: nested deeper than {} levels", name_,
                  kMaxSchemaDepth);
    }
    ++depth_;
    const Status status = compile_here(schema, path, from, to);
    --depth_;
    return status;
  }

  Status compile_here(const OrderedJson& schema, const std::string& path, std::int32_t from,
                      std::int32_t to) {
    if (schema.is_boolean() && schema.get<bool>()) {
      builder_.call(from, builder_.any_value(), to);
      return {};
    }
    if (!schema.is_object()) {
      return fail(ErrorCode::kMalformed, "{}: {}: a schema must be an object or true", name_,
                  path);
    }
    for (const std::string_view keyword : {"$ref", "anyOf", "const", "enum"}) {
      if (!schema.contains(keyword)) continue;
      TRINE_RETURN_IF_ERROR(check_keywords(schema, path, keyword));
      if (keyword == "$ref") return compile_reference(schema, path, from, to);
      if (keyword == "anyOf") return compile_any_of(schema["anyOf"], path, from, to);
      return compile_values(schema, path, from, to);
    }
    return compile_types(schema, path, from, to);
  }

  /// Refuses what stands beside `keyword` and is no note; "type" may stand beside enum and const.
  Status check_keywords(const OrderedJson& schema, const std::string& path,
                        std::string_view keyword) const {
    const bool with_type = keyword == "enum" || keyword == "const";
    for (const auto& [key, value] : schema.items()) {
      if (key == keyword || is_in(kNotes, key) || (with_type && key == "type")) continue;
      return refused(path, key + "\" beside \"" + std::string(keyword));
    }
    return {};
  }

  Status compile_reference(const OrderedJson& schema, const std::string& path,
                           std::int32_t from, std::int32_t to) {
    if (!schema["$ref"].is_string()) return wrong(path, "$ref", "a string");
    TRINE_ASSIGN_OR_RETURN(const std::int32_t rule,
                           definition(schema["$ref"].get<std::string>()));
    builder_.call(from, rule, to);
    return {};
  }

  Status compile_any_of(const OrderedJson& choices, const std::string& path, std::int32_t from,
                        std::int32_t to) {
    if (!choices.is_array() || choices.empty()) {
      return wrong(path, "anyOf", "a list of schemas");
    }
    for (std::size_t i = 0; i < choices.size(); ++i) {
      const std::int32_t start = builder_.add_position();
      builder_.jump(from, start);
      TRINE_RETURN_IF_ERROR(
          compile(choices[i], fmt::format("{}/anyOf/{}", path, i), start, to));
    }
    return {};
  }

  /// enum and const: the values themselves, written without white space.
  Status compile_values(const OrderedJson& schema, const std::string& path, std::int32_t from,
                        std::int32_t to) {
    OrderedJson values = OrderedJson::array();
    if (schema.contains("enum")) {
      values = schema["enum"];
      if (!values.is_array() || values.empty()) return wrong(path, "enum", "a list of values");
    } else {
      values.push_back(schema["const"]);
    }
    TRINE_ASSIGN_OR_RETURN(const auto types, read_types(schema, path));
    std::vector<std::string> texts;
    std::unordered_set<std::string> seen;  // a value may be there twice
    for (const OrderedJson& value : values) {
      const bool fits = types.empty() ||
                        std::any_of(types.begin(), types.end(), [&](const std::string& type) {
                          return has_type(value, type);
                        });
      if (!fits) continue;
      std::string text = written(value);
      if (seen.insert(text).second) texts.push_back(std::move(text));
    }
    if (texts.empty()) {
      return fail(ErrorCode::kMalformed,
                  "{}: {}: no value of \"enum\" or \"const\" has the type", name_, path);
    }
    builder_.one_of(from, texts, to);
    return {};
  }

  /// The words of "type"; empty when there is none.
  Result<std::vector<std::string>> read_types(const OrderedJson& schema,
                                              const std::string& path) const {
    std::vector<std::string> types;
    if (!schema.contains("type")) return types;
    const OrderedJson& type = schema["type"];
    const OrderedJson list = type.is_array() ? type : OrderedJson::array({type});
    for (const OrderedJson& word : list) {
      const bool known = word.is_string() &&
                         std::any_of(kTypes.begin(), kTypes.end(), [&](const TypeRow& row) {
                           return row.name == word.get_ref<const std::string&>();
                         });
      if (!known) {
        return wrong(
            path, "type",
            "object, array, string, integer, number, boolean or null, or some of these");
      }
      types.push_back(word.get<std::string>());
    }
    if (types.empty()) return wrong(path, "type", "not empty");
    return types;
  }

  Status compile_types(const OrderedJson& schema, const std::string& path, std::int32_t from,
                       std::int32_t to) {
    TRINE_ASSIGN_OR_RETURN(std::vector<std::string> types, read_types(schema, path));
    bool says_something = false;
    for (const auto& [key, value] : schema.items()) {
      if (key == "type" || is_in(kNotes, key)) continue;
      const std::string& word = key;  // Clang 14 cannot capture a structured binding
      const auto row = std::find_if(kTypes.begin(), kTypes.end(), [&word](const TypeRow& type) {
        return is_in(type.keywords, word) && !word.empty();
      });
      if (row == kTypes.end()) return refused(path, key);
      says_something = true;
      // Without a "type", its keywords name one: "properties" means an object.
      if (!schema.contains("type") && !is_in(types, row->name)) {
        types.emplace_back(row->name);
      }
    }
    if (types.empty() && !says_something) {
      builder_.call(from, builder_.any_value(), to);
      return {};
    }
    for (const std::string& type : types) {
      TRINE_RETURN_IF_ERROR(compile_type(schema, type, path, from, to));
    }
    return {};
  }

  Status compile_type(const OrderedJson& schema, std::string_view type, const std::string& path,
                      std::int32_t from, std::int32_t to) {
    if (type == "object") return compile_object(schema, path, from, to);
    if (type == "array") return compile_array(schema, path, from, to);
    if (type == "string") {
      TRINE_ASSIGN_OR_RETURN(const auto bounds,
                             read_bounds(schema, path, "minLength", "maxLength"));
      builder_.string(from, bounds.first, bounds.second, to);
    } else if (type == "integer") {
      builder_.integer(from, to);
    } else if (type == "number") {
      builder_.number(from, to);
    } else if (type == "boolean") {
      builder_.one_of(from, {"true", "false"}, to);
    } else {
      builder_.literal(from, "null", to);
    }
    return {};
  }

  /// Two counts, 0 and kUnlimited where they are not given.
  Result<std::pair<std::int32_t, std::int32_t>> read_bounds(const OrderedJson& schema,
                                                            const std::string& path,
                                                            const char* least,
                                                            const char* most) const {
    std::pair<std::int32_t, std::int32_t> bounds{0, kUnlimited};
    for (const char* keyword : {least, most}) {
      if (!schema.contains(keyword)) continue;
      const OrderedJson& value = schema[keyword];
      const bool is_count = value.is_number_unsigned() ||
                            (value.is_number_integer() && value.get<std::int64_t>() >= 0);
      if (!is_count) return wrong(path, keyword, "a whole number that is not negative");
      if (value.get<std::uint64_t>() > static_cast<std::uint64_t>(kMostCount)) {
        return fail(ErrorCode::kUnsupported, "{}: {}: \"{}\" is {}, at most {} is supported",
                    name_, path, keyword, value.get<std::uint64_t>(), kMostCount);
      }
      (keyword == least ? bounds.first : bounds.second) = value.get<std::int32_t>();
    }
    if (bounds.first > bounds.second) {
      return wrong(path, most, fmt::format("at least \"{}\"", least));
    }
    return bounds;
  }

  Status compile_array(const OrderedJson& schema, const std::string& path, std::int32_t from,
                       std::int32_t to) {
    TRINE_ASSIGN_OR_RETURN(const auto bounds,
                           read_bounds(schema, path, "minItems", "maxItems"));
    std::int32_t item = -1;
    if (schema.contains("items")) {
      const GrammarBuilder::Rule rule = builder_.add_rule();
      TRINE_RETURN_IF_ERROR(compile(schema["items"], path + "/items", rule.start, rule.end));
      item = rule.start;
    } else {
      item = builder_.any_value();
    }
    builder_.array(from, item, bounds.first, bounds.second, to);
    return {};
  }

  Status compile_object(const OrderedJson& schema, const std::string& path, std::int32_t from,
                        std::int32_t to) {
    const OrderedJson none = OrderedJson::object();
    const OrderedJson& properties = schema.contains("properties") ? schema["properties"] : none;
    if (!properties.is_object()) return wrong(path, "properties", "an object");
    TRINE_ASSIGN_OR_RETURN(const auto required, read_required(schema, properties, path));
    const bool has_others = schema.contains("additionalProperties");
    const OrderedJson others = has_others ? schema["additionalProperties"] : OrderedJson(true);
    if (!others.is_boolean() && !others.is_object()) {
      return wrong(path, "additionalProperties", "true, false or a schema");
    }
    if (!properties.empty() || (others.is_boolean() && !others.get<bool>())) {
      return compile_properties(properties, required, path, {from, to});
    }
    const GrammarBuilder::Rule value = builder_.add_rule();
    TRINE_RETURN_IF_ERROR(
        compile(others, path + "/additionalProperties", value.start, value.end));
    builder_.map(from, value.start, to);
    return {};
  }

  Result<std::set<std::string>> read_required(const OrderedJson& schema,
                                              const OrderedJson& properties,
                                              const std::string& path) const {
    std::set<std::string> required;
    if (!schema.contains("required")) return required;
    if (!schema["required"].is_array()) return wrong(path, "required", "a list of names");
    // Looking a name up in the properties themselves walks through all of them.
    std::unordered_set<std::string_view> known;
    for (const auto& field : properties.get_ref<const OrderedJson::object_t&>()) {
      known.insert(field.first);
    }
    for (const OrderedJson& name : schema["required"]) {
      if (!name.is_string()) return wrong(path, "required", "a list of names");
      if (!known.contains(name.get_ref<const std::string&>())) {
        return fail(ErrorCode::kUnsupported,
                    "{}: {}: \"required\" names \"{}\", which is not among the properties",
                    name_, path, name.get_ref<const std::string&>());
      }
      required.insert(name.get<std::string>());
    }
    return required;
  }

  /// { "a": …, "b": … } in this order; what is not required may be left out. `place` is where the
  /// object begins, and where it has ended.
  Status compile_properties(const OrderedJson& properties,
                            const std::set<std::string>& required, const std::string& path,
                            GrammarBuilder::Rule place) {
    const std::int32_t opened = builder_.add_position();
    std::int32_t none_yet = builder_.add_position();
    std::int32_t some = -1;  // a property has been written, so a comma comes before the next
    builder_.bytes(place.start, '{', '{', opened);
    builder_.white_space(opened, none_yet);
    for (const auto& [name, schema] : properties.items()) {
      const std::int32_t key = builder_.add_position();
      const std::int32_t behind = builder_.add_position();
      if (none_yet >= 0) builder_.jump(none_yet, key);
      if (some >= 0) {
        const std::int32_t comma = builder_.add_position();
        builder_.bytes(some, ',', ',', comma);
        builder_.white_space(comma, key);
      }
      TRINE_RETURN_IF_ERROR(compile_property(
          name, schema, path + "/properties" + pointer_step(name), {key, behind}));
      const bool optional = !required.contains(name);
      const std::int32_t next_some = builder_.add_position();
      builder_.jump(behind, next_some);
      if (optional && some >= 0) builder_.jump(some, next_some);
      some = next_some;
      if (!optional) none_yet = -1;
      if (optional && none_yet >= 0) {
        const std::int32_t next_none = builder_.add_position();
        builder_.jump(none_yet, next_none);
        none_yet = next_none;
      }
      if (builder_.is_full()) return {};
    }
    for (const std::int32_t last : {none_yet, some}) {
      if (last >= 0) builder_.bytes(last, '}', '}', place.end);
    }
    return {};
  }

  /// "name": value, and the white space behind.
  Status compile_property(const std::string& name, const OrderedJson& schema,
                          const std::string& path, GrammarBuilder::Rule place) {
    const std::int32_t behind_key = builder_.add_position();
    const std::int32_t colon = builder_.add_position();
    const std::int32_t behind_colon = builder_.add_position();
    const std::int32_t value = builder_.add_position();
    const std::int32_t behind_value = builder_.add_position();
    builder_.literal(place.start, written(OrderedJson(name)), behind_key);
    builder_.white_space(behind_key, colon);
    builder_.bytes(colon, ':', ':', behind_colon);
    builder_.white_space(behind_colon, value);
    TRINE_RETURN_IF_ERROR(compile(schema, path, value, behind_value));
    builder_.white_space(behind_value, place.end);
    return {};
  }

  const OrderedJson& root_;
  std::string_view name_;
  GrammarBuilder builder_;
  std::map<std::string, std::int32_t> rules_;
  std::vector<Waiting> waiting_;
  std::size_t depth_ = 0;
};

}  // namespace

Result<JsonGrammar> JsonGrammar::from_schema(const OrderedJson& schema, std::string_view name) {
  return SchemaCompiler(schema, name).run();
}

}  // namespace trine::input::json_grammar
