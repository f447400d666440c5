// The values of a chat template: Python's, as far as templates see them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "base/json.h"
#include "input/chat_template/budget.h"

namespace trine::input::chat_template {

/// 2^63: doubles below it in size fit std::int64_t.
inline constexpr double kTwoTo63 = 9223372036854775808.0;

class Value;
class Interpreter;
struct Call;

/// A string, valid UTF-8. `markup` marks what the filters safe and escape made: adding a plain
/// string to it escapes that string, as markupsafe does.
struct Text {
  std::string bytes{};
  bool markup = false;
};

/// What Python calls these sequences; it decides how they print and what they can do.
enum class SequenceKind { kList, kTuple, kRange, kDictKeys, kDictValues, kDictItems };

struct Sequence;
struct Dict;

/// A value with an identity and behaviour of its own: a namespace, a macro, a loop.
class Object {
 public:
  virtual ~Object() = default;
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  /// As Python would name its type in a sentence.
  [[nodiscard]] virtual std::string_view type_name() const noexcept = 0;
  /// The value of `.name`, or undefined.
  [[nodiscard]] virtual Value attribute(Interpreter& run, const std::string& name);
  [[nodiscard]] virtual bool is_callable() const noexcept { return false; }
  [[nodiscard]] virtual Value call(Interpreter& run, const Call& call);
  /// Forgets the values it holds, so that no two objects keep each other alive.
  virtual void clear() {}

 protected:
  Object() = default;
};

/// None, for std::variant.
struct None {};

/// What is not there, with the sentence that using it gives; nullptr: "a value is undefined".
struct Undefined {
  std::shared_ptr<const std::string> sentence{};
};

/// One value; cheap to copy. Everything it points at is immutable, but for Objects.
class Value {
 public:
  using Undefined = chat_template::Undefined;
  using TextPointer = std::shared_ptr<const Text>;
  using SequencePointer = std::shared_ptr<const Sequence>;
  using DictPointer = std::shared_ptr<const Dict>;
  using ObjectPointer = std::shared_ptr<Object>;

  Value() = default;
  static Value undefined(std::string sentence);
  static Value none() { return Value(None{}); }
  static Value boolean(bool value) { return Value(value); }
  static Value integer(std::int64_t value) { return Value(value); }
  static Value real(double value) { return Value(value); }
  static Value object(ObjectPointer value) { return Value(std::move(value)); }
  /// These count what they make.
  static Value text(Budget& budget, std::string bytes, bool markup = false);
  static Value sequence(Budget& budget, std::vector<Value> items,
                        SequenceKind kind = SequenceKind::kList);
  static Value dict(Budget& budget, Dict dict);
  /// A JSON value, objects in their order; strings that are not UTF-8 get U+FFFD. A whole number
  /// beyond 64 bits becomes a float.
  static Value from_json(Budget& budget, const base::OrderedJson& json);

  template <class T>
  [[nodiscard]] const T* get() const noexcept {
    return std::get_if<T>(&content_);
  }
  [[nodiscard]] bool is_undefined() const noexcept { return get<Undefined>() != nullptr; }
  [[nodiscard]] bool is_none() const noexcept { return get<None>() != nullptr; }
  [[nodiscard]] bool is_number() const noexcept {
    return get<bool>() || get<std::int64_t>() || get<double>();
  }
  [[nodiscard]] const Text* as_text() const noexcept;
  [[nodiscard]] const Sequence* as_sequence() const noexcept;
  [[nodiscard]] const Dict* as_dict() const noexcept;
  [[nodiscard]] Object* as_object() const noexcept;
  /// bool and int, as Python's int() takes them without a change.
  [[nodiscard]] const std::int64_t* as_integer(std::int64_t& storage) const noexcept;

  /// "str", "int", "list", "Undefined": for sentences.
  [[nodiscard]] std::string_view type_name() const noexcept;
  /// Containers within each other below this value; 0 for what holds nothing.
  [[nodiscard]] std::size_t height() const noexcept;
  /// Bytes of all texts in it, those that it holds many times counted as often: what reading the
  /// whole of it takes. Bounded like the bytes of all values.
  [[nodiscard]] std::size_t weight() const noexcept;
  /// The same object in memory, or the same of None, True, False.
  [[nodiscard]] bool is_same(const Value& other) const noexcept;

 private:
  using Content = std::variant<Undefined, None, bool, std::int64_t, double, TextPointer,
                               SequencePointer, DictPointer, ObjectPointer>;
  explicit Value(Content content) : content_(std::move(content)) {}

  Content content_{};
};

struct Sequence {
  std::vector<Value> items{};
  SequenceKind kind = SequenceKind::kList;
  std::size_t height = 1;
  std::size_t weight = 0;
};

/// A dict: entries in the order of insertion, found by key.
struct Dict {
  std::vector<std::pair<Value, Value>> entries{};
  std::unordered_map<std::string, std::size_t> places{};  ///< key_text → index
  std::size_t height = 1;
  std::size_t weight = 0;

  /// nullptr when absent or when no key can be like this one.
  [[nodiscard]] const Value* find(std::string_view text) const;
  [[nodiscard]] const Value* find(const Value& key) const;
  /// Adds or replaces. A TemplateError for a key without a hash, such as a list.
  void set(const Value& key, Value value);
};

/// Things that are handed out once, as Python's generators: what map and select return.
class Iterator final : public Object {
 public:
  explicit Iterator(std::vector<Value> items) : items_(std::move(items)) {}
  std::string_view type_name() const noexcept override { return "generator"; }
  /// All that is left.
  [[nodiscard]] std::vector<Value> take() { return std::exchange(items_, {}); }
  void clear() override { items_.clear(); }

 private:
  std::vector<Value> items_;
};

/// Equal keys of a dict have equal texts, different ones different texts; false: not hashable.
[[nodiscard]] bool key_text(const Value& key, std::string& text);

// value_order.cpp
[[nodiscard]] bool is_true(const Value& value);
[[nodiscard]] bool is_equal(const Value& a, const Value& b);
/// a < b; TemplateError where Python has no order.
[[nodiscard]] bool is_less(const Value& a, const Value& b);
/// Throws the sentence of an undefined value; nothing for others.
void require_defined(const Value& value);

// value_text.cpp
/// str(value): what {{ value }} writes.
[[nodiscard]] std::string to_text(const Value& value);
/// repr(value): how it looks within a list.
[[nodiscard]] std::string to_repr(const Value& value);
/// 0.1, 1e+16, 2.0: the shortest decimals that read back the same.
[[nodiscard]] std::string format_real(double value);

/// Settings of json.dumps.
struct JsonStyle {
  bool ensure_ascii = false;
  bool sort_keys = false;
  bool has_indent = false;
  std::string indent{};
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};
[[nodiscard]] std::string to_json(const Value& value, const JsonStyle& style);

}  // namespace trine::input::chat_template
