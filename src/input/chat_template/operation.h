// The shape of every filter, test, function and method, and how arguments reach it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "input/chat_template/value.h"

namespace trine::input::chat_template {

/// The arguments of a call as they are written, lists and dicts spread.
struct Call {
  std::vector<Value> positional{};
  std::vector<std::pair<std::string, Value>> named{};
};

class Arguments;

/// One row of registry.cpp.
struct Operation {
  std::string_view name;
  /// Names of the parameters in order, separated by spaces; "*": it reads the call itself.
  std::string_view parameters;
  std::size_t required;  ///< how many of them must be given
  /// `input` is what stands before the | or the dot; none for a function.
  Value (*run)(Interpreter& run, const Value& input, const Arguments& arguments);
};

/// The arguments of one call by the places of the operation's parameters.
class Arguments {
 public:
  /// TemplateError for one too many, an unknown name, or one that is missing.
  Arguments(const Operation& operation, const Call& call);

  [[nodiscard]] const Call& call() const noexcept { return call_; }
  /// nullptr when it is not given.
  [[nodiscard]] const Value* find(std::size_t place) const noexcept {
    return place < given_.size() ? given_[place] : nullptr;
  }
  /// Of a required parameter.
  [[nodiscard]] const Value& operator[](std::size_t place) const { return *given_[place]; }

  /// These refuse a value of another type.
  [[nodiscard]] const std::string& text(std::size_t place) const;
  [[nodiscard]] std::string text_or(std::size_t place, std::string_view absent) const;
  [[nodiscard]] std::int64_t integer(std::size_t place) const;
  [[nodiscard]] std::int64_t integer_or(std::size_t place, std::int64_t absent) const;
  /// Any value as a truth.
  [[nodiscard]] bool boolean_or(std::size_t place, bool absent) const;

 private:
  const Operation& operation_;
  const Call& call_;
  std::vector<const Value*> given_;
};

/// registry.cpp: nullptr for a name that is not there.
[[nodiscard]] const Operation* find_filter(std::string_view name);
[[nodiscard]] const Operation* find_test(std::string_view name);
[[nodiscard]] const Operation* find_function(std::string_view name);
/// Of a value's type: strings, dicts, lists and tuples have methods.
[[nodiscard]] const Operation* find_method(const Value& value, std::string_view name);
/// Every function, for the variables a template starts with.
[[nodiscard]] std::vector<const Operation*> all_functions();

}  // namespace trine::input::chat_template
