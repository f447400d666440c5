// Filters over numbers and over anything.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <optional>

#include "input/chat_template/interpreter.h"
#include "input/chat_template/operations.h"
#include "input/chat_template/python_text.h"

namespace trine::input::chat_template {
namespace {

/// The text of a number as std::from_chars reads it: no white space around, no + and no _.
std::string plain_digits(std::string_view text) {
  text = strip(text, Side::kBoth);
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  std::string digits(text);
  std::erase(digits, '_');
  return digits;
}

template <class Number, class... Base>
std::optional<Number> parse(const std::string& digits, Base... base) {
  Number number{};
  const char* end = digits.data() + digits.size();
  const auto result = std::from_chars(digits.data(), end, number, base...);
  if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
  return number;
}

/// Python's float(value), if it has one.
std::optional<double> as_real(const Value& value) {
  require_defined(value);
  std::int64_t storage = 0;
  if (const double* real = value.get<double>()) return *real;
  if (const auto* integer = value.as_integer(storage)) return static_cast<double>(*integer);
  if (const Text* text = value.as_text()) return parse<double>(plain_digits(text->bytes));
  return std::nullopt;
}

/// Rounds to `precision` digits behind the point, ties to even, from the exact binary value.
double round_decimal(double value, int precision) {
  char text[512];
  std::snprintf(text, sizeof text, "%.*f", precision, value);
  double rounded = 0.0;
  std::from_chars(text, text + std::char_traits<char>::length(text), rounded);
  return rounded;
}

}  // namespace

Value abs_filter(Interpreter& run, const Value& input, const Arguments&) {
  require_defined(input);
  if (const double* real = input.get<double>()) return Value::real(std::abs(*real));
  std::int64_t storage = 0;
  const auto* integer = input.as_integer(storage);
  if (integer == nullptr) refuse("bad operand type for abs(): '{}'", input.type_name());
  return *integer >= 0 ? Value::integer(*integer)
                       : arithmetic(run, "-", Value::integer(0), Value::integer(*integer));
}

Value int_filter(Interpreter&, const Value& input, const Arguments& arguments) {
  const Value absent = arguments.find(0) ? arguments[0] : Value::integer(0);
  const auto base = arguments.integer_or(1, 10);
  if (base < 2 || base > 36) unsupported("reads a whole number of base {}", base);
  std::int64_t storage = 0;
  if (const auto* integer = input.as_integer(storage)) return Value::integer(*integer);
  if (const Text* text = input.as_text()) {
    std::string digits = plain_digits(text->bytes);
    const std::string prefix = base == 16 ? "0x" : base == 8 ? "0o" : base == 2 ? "0b" : "";
    if (!prefix.empty() && lower(digits).starts_with(prefix)) digits.erase(0, 2);
    if (const auto number = parse<std::int64_t>(digits, static_cast<int>(base))) {
      return Value::integer(*number);
    }
  }
  const std::optional<double> real = as_real(input);
  if (!real || !std::isfinite(*real)) return absent;
  if (std::abs(*real) >= kTwoTo63) {
    unsupported("computes with a whole number of more than 64 bits");
  }
  return Value::integer(static_cast<std::int64_t>(*real));
}

Value float_filter(Interpreter&, const Value& input, const Arguments& arguments) {
  const std::optional<double> real = as_real(input);
  if (real) return Value::real(*real);
  return arguments.find(0) ? arguments[0] : Value::real(0.0);
}

Value round_filter(Interpreter&, const Value& input, const Arguments& arguments) {
  require_defined(input);
  if (!input.is_number()) refuse("rounds a value of type {}", input.type_name());
  const std::int64_t precision = arguments.integer_or(0, 0);
  const std::string method = arguments.text_or(1, "common");
  constexpr std::int64_t kMost = 100;
  if (precision < 0 || precision > kMost) unsupported("rounds to {} digits", precision);
  std::int64_t storage = 0;
  if (method == "common") {
    if (const auto* integer = input.as_integer(storage)) return Value::integer(*integer);
    const double real = *input.get<double>();
    if (!std::isfinite(real)) return input;
    return Value::real(round_decimal(real, static_cast<int>(precision)));
  }
  if (method != "ceil" && method != "floor") refuse("method must be common, ceil or floor");
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double scaled = *as_real(input) * scale;
  return Value::real((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

Value default_filter(Interpreter& run, const Value& input, const Arguments& arguments) {
  const bool replaces =
      input.is_undefined() || (arguments.boolean_or(1, false) && !is_true(input));
  if (!replaces) return input;
  return arguments.find(0) ? arguments[0] : run.text("");
}

Value attr_filter(Interpreter& run, const Value& input, const Arguments& arguments) {
  const std::string& name = arguments.text(0);
  // Unlike the dot, the filter does not look into a dict.
  if (input.as_dict() != nullptr && find_method(input, name) == nullptr) {
    return Value::undefined(fmt::format("'dict object' has no attribute '{}'", name));
  }
  return run.attribute(input, name);
}

}  // namespace trine::input::chat_template
