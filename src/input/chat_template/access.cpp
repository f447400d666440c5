// value.name, value[key] and value[a:b:c], with the sandbox's rules.
#include <algorithm>
#include <array>
#include <charconv>

#include "input/chat_template/interpreter.h"
#include "input/chat_template/python_text.h"

namespace trine::input::chat_template {
namespace {

/// A method together with the value it was taken from.
class BoundMethod final : public Object {
 public:
  BoundMethod(Value self, const Operation& operation)
      : self_(std::move(self)), operation_(operation) {}
  std::string_view type_name() const noexcept override { return "method"; }
  bool is_callable() const noexcept override { return true; }
  Value call(Interpreter& run, const Call& call) override {
    if (self_.as_text() != nullptr) run.take_reading(self_);
    for (const Value& given : call.positional) {
      if (given.as_text() != nullptr) run.take_reading(given);
    }
    return operation_.run(run, self_, Arguments(operation_, call));
  }
  void clear() override { self_ = Value(); }

 private:
  Value self_;
  const Operation& operation_;
};

/// Methods that would change a value: the sandbox of transformers refuses them too.
constexpr std::array<std::string_view, 14> kChanging = {
    "append", "extend", "insert", "remove",  "reverse", "sort",       "clear",
    "pop",    "update", "add",    "discard", "popitem", "setdefault", "difference_update"};

bool would_change(const Value& value, const std::string& name) {
  const bool mutable_type =
      value.as_dict() != nullptr ||
      (value.as_sequence() != nullptr && value.as_sequence()->kind == SequenceKind::kList);
  return mutable_type && std::find(kChanging.begin(), kChanging.end(), name) != kChanging.end();
}

std::string_view described_type(const Value& value) {
  return value.is_none() ? "None" : value.type_name();
}

/// An index from the front, if it is within `size`; negative ones count from the end.
bool resolve_index(std::int64_t index, std::size_t size, std::size_t& place) {
  const auto length = static_cast<std::int64_t>(size);
  if (index < 0) index += length;
  if (index < 0 || index >= length) return false;
  place = static_cast<std::size_t>(index);
  return true;
}

/// The indexes that [start:stop:step] takes of `size` things, as Python's slice.indices().
std::vector<std::size_t> slice_places(const Value& start, const Value& stop, const Value& step,
                                      std::size_t size) {
  const auto bound = [](const Value& value, std::int64_t absent) {
    require_defined(value);
    if (value.is_none()) return absent;
    std::int64_t storage = 0;
    const auto* number = value.as_integer(storage);
    if (number == nullptr) {
      refuse("slice indices must be integers or None, not {}", value.type_name());
    }
    return *number;
  };
  const auto length = static_cast<std::int64_t>(size);
  const std::int64_t stride = bound(step, 1);
  if (stride == 0) refuse("slice step cannot be zero");
  const bool forward = stride > 0;
  const std::int64_t low = forward ? 0 : -1;
  const std::int64_t high = forward ? length : length - 1;
  const auto clamp = [&](const Value& value, std::int64_t absent) {
    if (value.is_none()) return absent;
    std::int64_t index = bound(value, absent);
    if (index < 0) index = index < -length ? low : index + length;
    return std::clamp(index, low, high);
  };
  const std::int64_t first = clamp(start, forward ? low : high);
  const std::int64_t end = clamp(stop, forward ? high : low);
  std::vector<std::size_t> places;
  std::int64_t index = first;
  while (forward ? index < end : index > end) {
    places.push_back(static_cast<std::size_t>(index));
    if (__builtin_add_overflow(index, stride, &index)) break;
  }
  return places;
}

}  // namespace

Value Interpreter::attribute(const Value& value, const std::string& name) {
  require_defined(value);
  if (name.starts_with('_')) {
    return Value::undefined(fmt::format("access to attribute '{}' of '{}' object is unsafe",
                                        name, described_type(value)));
  }
  if (const Operation* method = find_method(value, name)) {
    return keep(std::make_shared<BoundMethod>(value, *method));
  }
  if (Object* object = value.as_object()) return object->attribute(*this, name);
  if (const Dict* dict = value.as_dict()) {
    if (const Value* found = dict->find(name)) return *found;
  }
  if (would_change(value, name)) {
    return Value::undefined(fmt::format("access to attribute '{}' of '{}' object is unsafe",
                                        name, described_type(value)));
  }
  return Value::undefined(
      fmt::format("'{} object' has no attribute '{}'", described_type(value), name));
}

Value Interpreter::item(const Value& value, const Value& key) {
  require_defined(value);
  take_reading(key);
  std::int64_t storage = 0;
  const auto* index = key.as_integer(storage);
  std::size_t place = 0;
  if (const Dict* dict = value.as_dict()) {
    if (const Value* found = dict->find(key)) return *found;
  } else if (const Sequence* sequence = value.as_sequence(); sequence != nullptr && index) {
    const bool indexed = sequence->kind <= SequenceKind::kRange;
    if (indexed && resolve_index(*index, sequence->items.size(), place)) {
      return sequence->items[place];
    }
  } else if (const Text* string = value.as_text(); string != nullptr && index) {
    budget_.take_steps(1 + string->bytes.size() / kBytesPerStep);
    const std::vector<std::string_view> characters = split_characters(string->bytes);
    if (resolve_index(*index, characters.size(), place)) {
      return text(std::string(characters[place]), string->markup);
    }
  }
  if (const Text* name = key.as_text()) {
    if (!name->bytes.starts_with('_') && value.as_dict() == nullptr) {
      return attribute(value, name->bytes);
    }
    if (const Operation* method = find_method(value, name->bytes)) {
      return keep(std::make_shared<BoundMethod>(value, *method));
    }
    return Value::undefined(
        fmt::format("'{} object' has no attribute '{}'", described_type(value), name->bytes));
  }
  const std::string wanted = key.as_object() == nullptr ? to_text(key) : "such";
  return Value::undefined(
      fmt::format("{} object has no element {}", described_type(value), wanted));
}

Value Interpreter::slice(const Value& value, const Value& start, const Value& stop,
                         const Value& step) {
  require_defined(value);
  if (const Text* string = value.as_text()) {
    budget_.take_steps(1 + string->bytes.size() / kBytesPerStep);
    const std::vector<std::string_view> characters = split_characters(string->bytes);
    std::string taken;
    for (const std::size_t place : slice_places(start, stop, step, characters.size())) {
      taken += characters[place];
    }
    return text(std::move(taken), string->markup);
  }
  const Sequence* sequence = value.as_sequence();
  if (sequence == nullptr || sequence->kind > SequenceKind::kRange) {
    // Python refuses, and Jinja makes an undefined value of that.
    return Value::undefined(
        fmt::format("'{}' object is not subscriptable", described_type(value)));
  }
  std::vector<Value> taken;
  for (const std::size_t place : slice_places(start, stop, step, sequence->items.size())) {
    taken.push_back(sequence->items[place]);
  }
  return list(std::move(taken), sequence->kind);
}

Value Interpreter::item_at_path(const Value& value, const Value& path, const Value* absent) {
  const Text* names = path.as_text();
  const auto or_absent = [absent](Value found) {
    return found.is_undefined() && absent != nullptr && !absent->is_none() ? *absent : found;
  };
  if (names == nullptr) return path.is_none() ? value : or_absent(item(value, path));
  Value found = value;
  for (const std::string_view part : split_at(names->bytes, ".", SIZE_MAX, false)) {
    std::int64_t index = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), index);
    const bool is_index =
        error == std::errc() && end == part.data() + part.size() && index >= 0;
    found = or_absent(item(found, is_index ? Value::integer(index) : text(std::string(part))));
  }
  return found;
}

}  // namespace trine::input::chat_template
