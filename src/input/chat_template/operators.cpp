// + - * / // % ** and in, as Python defines them for each pair of types.
#include <cmath>
#include <cstring>

#include "input/chat_template/interpreter.h"
#include "input/chat_template/python_text.h"

namespace trine::input::chat_template {
namespace {

[[noreturn]] void refuse_types(std::string_view symbol, const Value& a, const Value& b) {
  require_defined(a);
  require_defined(b);
  refuse("unsupported operand types for {}: '{}' and '{}'", symbol, a.type_name(),
         b.type_name());
}

/// @return whether the result fits.
bool power(std::int64_t base, std::int64_t exponent, std::int64_t& result) {
  result = 1;
  for (; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) return false;
    if (exponent > 1 && __builtin_mul_overflow(base, base, &base)) return false;
  }
  return true;
}

/// Rounds towards minus infinity, as Python does; b is not 0.
std::int64_t floor_division(std::int64_t a, std::int64_t b) {
  const std::int64_t quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

double real_modulo(double a, double b) {
  const double rest = std::fmod(a, b);
  if (rest == 0.0) return std::copysign(0.0, b);
  return (rest < 0.0) != (b < 0.0) ? rest + b : rest;
}

Value real_arithmetic(std::string_view symbol, double a, double b) {
  if (symbol == "+") return Value::real(a + b);
  if (symbol == "-") return Value::real(a - b);
  if (symbol == "*") return Value::real(a * b);
  if (symbol == "**") return Value::real(std::pow(a, b));
  if (b == 0.0) refuse("divides by zero");
  if (symbol == "/") return Value::real(a / b);
  if (symbol == "//") return Value::real(std::floor((a - real_modulo(a, b)) / b + 0.5));
  return Value::real(real_modulo(a, b));
}

Value integer_arithmetic(std::string_view symbol, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  bool fits = true;
  if (symbol == "+") {
    fits = !__builtin_add_overflow(a, b, &result);
  } else if (symbol == "-") {
    fits = !__builtin_sub_overflow(a, b, &result);
  } else if (symbol == "*") {
    fits = !__builtin_mul_overflow(a, b, &result);
  } else if (symbol == "**") {
    if (b < 0) return real_arithmetic(symbol, static_cast<double>(a), static_cast<double>(b));
    fits = power(a, b, result);
  } else if (b == 0) {
    refuse("divides by zero");
  } else if (symbol == "/") {
    return Value::real(static_cast<double>(a) / static_cast<double>(b));
  } else if (b == -1) {  // INT64_MIN / -1 has no int64 quotient
    fits = symbol == "%" || !__builtin_sub_overflow(std::int64_t{0}, a, &result);
  } else {
    result = floor_division(a, b);
    if (symbol == "%") result = a - result * b;
  }
  if (!fits) unsupported("computes with a whole number of more than 64 bits");
  return Value::integer(result);
}

Value add_texts(Interpreter& run, const Text& a, const Text& b) {
  // What the filter safe marked stays marked; the other side is escaped.
  const bool markup = a.markup || b.markup;
  const auto part = [markup](const Text& text) {
    return markup && !text.markup ? escape_html(text.bytes) : text.bytes;
  };
  return run.text(part(a) + part(b), markup);
}

Value repeat(Interpreter& run, const Value& value, std::int64_t times) {
  const std::size_t count = times > 0 ? static_cast<std::size_t>(times) : 0;
  // Counted before it is made.
  const auto check_size = [&](std::size_t size, std::size_t unit_bytes) {
    const std::size_t most = run.budget().limits().max_value_bytes / unit_bytes;
    if (size > 0 && count > most / size) run.budget().take_bytes(SIZE_MAX / 2);
  };
  if (const Text* text = value.as_text()) {
    check_size(text->bytes.size(), 1);
    std::string repeated;
    if (!text->bytes.empty()) {
      for (std::size_t i = 0; i < count; ++i) repeated += text->bytes;
    }
    return run.text(std::move(repeated), text->markup);
  }
  const Sequence& sequence = *value.as_sequence();
  check_size(sequence.items.size(), sizeof(Value));
  std::vector<Value> items;
  for (std::size_t i = 0; !sequence.items.empty() && i < count; ++i) {
    items.insert(items.end(), sequence.items.begin(), sequence.items.end());
  }
  return run.list(std::move(items), sequence.kind);
}

bool is_repeatable(const Value& value) {
  const Sequence* sequence = value.as_sequence();
  return value.as_text() != nullptr ||
         (sequence != nullptr &&
          (sequence->kind == SequenceKind::kList || sequence->kind == SequenceKind::kTuple));
}

}  // namespace

Value arithmetic(Interpreter& run, std::string_view symbol, const Value& a, const Value& b) {
  std::int64_t a_storage = 0;
  std::int64_t b_storage = 0;
  const auto* a_integer = a.as_integer(a_storage);
  const auto* b_integer = b.as_integer(b_storage);
  if (a_integer && b_integer) return integer_arithmetic(symbol, *a_integer, *b_integer);
  if (a.is_number() && b.is_number()) {
    const auto real = [](const Value& value, const std::int64_t* integer) {
      return integer ? static_cast<double>(*integer) : *value.get<double>();
    };
    return real_arithmetic(symbol, real(a, a_integer), real(b, b_integer));
  }
  if (symbol == "+" && a.as_text() && b.as_text()) {
    return add_texts(run, *a.as_text(), *b.as_text());
  }
  if (symbol == "+" && is_repeatable(a) && is_repeatable(b) && a.as_sequence() &&
      b.as_sequence() && a.as_sequence()->kind == b.as_sequence()->kind) {
    std::vector<Value> items = a.as_sequence()->items;
    const std::vector<Value>& more = b.as_sequence()->items;
    items.insert(items.end(), more.begin(), more.end());
    return run.list(std::move(items), a.as_sequence()->kind);
  }
  if (symbol == "*" && is_repeatable(a) && b_integer) return repeat(run, a, *b_integer);
  if (symbol == "*" && is_repeatable(b) && a_integer) return repeat(run, b, *a_integer);
  if (symbol == "%" && a.as_text()) {
    return run.text(percent_format(run, a.as_text()->bytes, b), a.as_text()->markup);
  }
  refuse_types(symbol, a, b);
}

bool contains(Interpreter& run, const Value& haystack, const Value& needle) {
  if (const Text* text = haystack.as_text()) {
    require_defined(needle);
    if (needle.as_text() == nullptr) {
      refuse("'in <string>' requires string as left operand, not {}", needle.type_name());
    }
    run.budget().take_steps(text->bytes.size() / kBytesPerStep);
    // find() of the standard library may compare the needle at every place; memmem does not.
    const std::string& wanted = needle.as_text()->bytes;
    return memmem(text->bytes.data(), text->bytes.size(), wanted.data(), wanted.size()) !=
           nullptr;
  }
  if (const Dict* dict = haystack.as_dict()) {
    std::string key;
    run.take_reading(needle);
    if (!key_text(needle, key)) refuse("unhashable type: '{}'", needle.type_name());
    return dict->places.contains(key);
  }
  for (const Value& item : run.items_of(haystack)) {
    run.take_comparison(item, needle);
    if (is_equal(item, needle)) return true;
  }
  return false;
}

}  // namespace trine::input::chat_template
