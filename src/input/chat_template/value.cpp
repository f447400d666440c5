#include "input/chat_template/value.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "input/unicode.h"

namespace trine::input::chat_template {
namespace {

/// Beyond this, printing or freeing a value could exhaust the stack.
constexpr std::size_t kMaxHeight = 100;

/// About what one Value, and one entry of a dict, take beside their own content.
constexpr std::size_t kValueBytes = 40;
constexpr std::size_t kEntryBytes = 160;

void check_height(std::size_t height) {
  if (height > kMaxHeight) {
    unsupported("makes a value nested deeper than {} levels", kMaxHeight);
  }
}

/// A list of a million references to one long text is small, its text is not.
void add_weight(const Budget& budget, std::size_t& weight, const Value& value) {
  weight += value.weight() + 8;
  if (weight > budget.limits().max_value_bytes) {
    unsupported("makes a value of more than {} bytes, the most a template may make",
                budget.limits().max_value_bytes);
  }
}

}  // namespace

Value Object::attribute(Interpreter&, const std::string& name) {
  return Value::undefined(fmt::format("'{} object' has no attribute '{}'", type_name(), name));
}

Value Object::call(Interpreter&, const Call&) {
  refuse("'{}' object is not callable", type_name());
}

Value Value::undefined(std::string sentence) {
  return Value(Undefined{std::make_shared<const std::string>(std::move(sentence))});
}

Value Value::text(Budget& budget, std::string bytes, bool markup) {
  budget.take_bytes(bytes.size() + kValueBytes);
  return Value(std::make_shared<const Text>(Text{std::move(bytes), markup}));
}

Value Value::sequence(Budget& budget, std::vector<Value> items, SequenceKind kind) {
  budget.take_bytes((1 + items.size()) * kValueBytes);
  std::size_t height = 0;
  std::size_t weight = 0;
  for (const Value& item : items) {
    height = std::max(height, item.height());
    add_weight(budget, weight, item);
  }
  check_height(++height);
  return Value(
      std::make_shared<const Sequence>(Sequence{std::move(items), kind, height, weight}));
}

Value Value::dict(Budget& budget, Dict dict) {
  dict.weight = 0;  // of a copy that has grown
  budget.take_bytes((1 + dict.entries.size()) * kEntryBytes);
  for (const auto& [key, value] : dict.entries) {
    dict.height = std::max({dict.height, 1 + key.height(), 1 + value.height()});
    add_weight(budget, dict.weight, key);
    add_weight(budget, dict.weight, value);
  }
  check_height(dict.height);
  return Value(std::make_shared<const Dict>(std::move(dict)));
}

Value Value::from_json(Budget& budget, const base::OrderedJson& json) {
  if (json.is_boolean()) return boolean(json.get<bool>());
  if (json.is_number_unsigned() && json.get<std::uint64_t>() > INT64_MAX) {
    return real(json.get<double>());
  }
  if (json.is_number_integer()) return integer(json.get<std::int64_t>());
  if (json.is_number()) return real(json.get<double>());
  if (json.is_string()) {
    return text(budget, replace_invalid_utf8(json.get_ref<const std::string&>()));
  }
  if (json.is_array()) {
    std::vector<Value> items;
    items.reserve(json.size());
    for (const auto& item : json) items.push_back(from_json(budget, item));
    return sequence(budget, std::move(items));
  }
  if (json.is_object()) {
    Dict entries;
    for (const auto& [key, value] : json.items()) {
      entries.set(text(budget, replace_invalid_utf8(key)), from_json(budget, value));
    }
    return dict(budget, std::move(entries));
  }
  return none();
}

const Text* Value::as_text() const noexcept {
  const auto* pointer = get<TextPointer>();
  return pointer == nullptr ? nullptr : pointer->get();
}

const Sequence* Value::as_sequence() const noexcept {
  const auto* pointer = get<SequencePointer>();
  return pointer == nullptr ? nullptr : pointer->get();
}

const Dict* Value::as_dict() const noexcept {
  const auto* pointer = get<DictPointer>();
  return pointer == nullptr ? nullptr : pointer->get();
}

Object* Value::as_object() const noexcept {
  const auto* pointer = get<ObjectPointer>();
  return pointer == nullptr ? nullptr : pointer->get();
}

const std::int64_t* Value::as_integer(std::int64_t& storage) const noexcept {
  if (const auto* number = get<std::int64_t>()) return number;
  const bool* truth = get<bool>();
  if (truth == nullptr) return nullptr;
  storage = *truth ? 1 : 0;
  return &storage;
}

std::string_view Value::type_name() const noexcept {
  if (is_undefined()) return "Undefined";
  if (is_none()) return "NoneType";
  if (get<bool>()) return "bool";
  if (get<std::int64_t>()) return "int";
  if (get<double>()) return "float";
  if (const Text* text = as_text()) return text->markup ? "Markup" : "str";
  if (as_dict()) return "dict";
  if (const Object* object = as_object()) return object->type_name();
  switch (as_sequence()->kind) {
    case SequenceKind::kTuple: return "tuple";
    case SequenceKind::kRange: return "range";
    case SequenceKind::kDictKeys: return "dict_keys";
    case SequenceKind::kDictValues: return "dict_values";
    case SequenceKind::kDictItems: return "dict_items";
    case SequenceKind::kList: break;
  }
  return "list";
}

std::size_t Value::height() const noexcept {
  if (const Sequence* sequence = as_sequence()) return sequence->height;
  if (const Dict* dict = as_dict()) return dict->height;
  return 0;
}

std::size_t Value::weight() const noexcept {
  if (const Text* text = as_text()) return text->bytes.size();
  if (const Sequence* sequence = as_sequence()) return sequence->weight;
  if (const Dict* dict = as_dict()) return dict->weight;
  return 0;
}

bool Value::is_same(const Value& other) const noexcept {
  if (content_.index() != other.content_.index()) return false;
  if (is_none()) return true;
  if (const bool* truth = get<bool>()) return *truth == *other.get<bool>();
  if (const auto* number = get<std::int64_t>()) return *number == *other.get<std::int64_t>();
  if (const Object* object = as_object()) return object == other.as_object();
  if (const Text* text = as_text()) return text == other.as_text();
  if (const Dict* dict = as_dict()) return dict == other.as_dict();
  return as_sequence() != nullptr && as_sequence() == other.as_sequence();
}

bool key_text(const Value& key, std::string& text) {
  constexpr char kMark = '\0';  // sets apart what is no string
  if (const Text* string = key.as_text()) {
    if (string->bytes.starts_with(kMark)) text += std::string_view("\0s", 2);
    text += string->bytes;
    return true;
  }
  text += kMark;
  std::int64_t storage = 0;
  if (const auto* number = key.as_integer(storage)) {
    text += fmt::format("n{}", *number);
  } else if (const double* real = key.get<double>()) {
    // 1.0 and 1 are the same key.
    const bool whole = std::trunc(*real) == *real && std::abs(*real) < kTwoTo63;
    text += whole ? fmt::format("n{}", static_cast<std::int64_t>(*real))
                  : fmt::format("f{}", *real);
  } else if (key.is_none()) {
    text += '-';
  } else if (key.is_undefined()) {
    text += 'u';
  } else if (const Object* object = key.as_object()) {
    text += fmt::format("o{}", static_cast<const void*>(object));
  } else if (const Sequence* tuple = key.as_sequence();
             tuple != nullptr && tuple->kind == SequenceKind::kTuple) {
    text += '(';
    for (const Value& item : tuple->items) {
      std::string part;
      if (!key_text(item, part)) return false;
      text += fmt::format("{}:", part.size());
      text += part;
    }
  } else {
    return false;
  }
  return true;
}

const Value* Dict::find(std::string_view text) const {
  const std::string key =
      text.starts_with('\0') ? std::string("\0s", 2).append(text) : std::string(text);
  const auto found = places.find(key);
  return found == places.end() ? nullptr : &entries[found->second].second;
}

const Value* Dict::find(const Value& key) const {
  std::string text;
  if (!key_text(key, text)) return nullptr;
  const auto found = places.find(text);
  return found == places.end() ? nullptr : &entries[found->second].second;
}

void Dict::set(const Value& key, Value value) {
  std::string text;
  if (!key_text(key, text)) refuse("unhashable type: '{}'", key.type_name());
  const auto [place, is_new] = places.emplace(std::move(text), entries.size());
  if (is_new) {
    entries.emplace_back(key, std::move(value));
  } else {
    entries[place->second].second = std::move(value);
  }
}

}  // namespace trine::input::chat_template
