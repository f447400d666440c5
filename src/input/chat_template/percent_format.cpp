// "…%s…" % value, and the filter format.
#include <cmath>
#include <cstdio>

#include "input/chat_template/interpreter.h"
#include "input/chat_template/python_text.h"

namespace trine::input::chat_template {
namespace {

struct Directive {
  std::string flags{};
  int width = 0;
  int precision = -1;
  char conversion = 's';
};

constexpr int kMaxWidth = 1000;

int read_number(std::string_view& format) {
  int number = 0;
  while (!format.empty() && format.front() >= '0' && format.front() <= '9') {
    number = number * 10 + (format.front() - '0');
    if (number > kMaxWidth) refuse("formats with a width above {}", kMaxWidth);
    format.remove_prefix(1);
  }
  return number;
}

/// Reads what stands behind a %.
Directive read_directive(std::string_view& format) {
  Directive directive;
  constexpr std::string_view kFlags = "-+ 0#";
  while (!format.empty() && kFlags.find(format.front()) != std::string_view::npos) {
    directive.flags += format.front();
    format.remove_prefix(1);
  }
  directive.width = read_number(format);
  if (format.starts_with('.')) {
    format.remove_prefix(1);
    directive.precision = read_number(format);
  }
  if (format.empty()) refuse("has an incomplete format");
  directive.conversion = format.front();
  format.remove_prefix(1);
  return directive;
}

std::string print_number(const Directive& directive, const Value& value) {
  require_defined(value);
  if (!value.is_number()) {
    refuse("%{} format: a number is required, not {}", directive.conversion, value.type_name());
  }
  std::int64_t storage = 0;
  const auto* integer = value.as_integer(storage);
  const bool is_real =
      std::string_view("feEgGF").find(directive.conversion) != std::string_view::npos;
  std::string pattern = "%" + directive.flags + "*.*";
  char text[1500];  // kMaxWidth digits behind the point, 309 before
  int size = 0;
  if (is_real) {
    const double real = integer ? static_cast<double>(*integer) : *value.get<double>();
    pattern += directive.conversion;
    size = std::snprintf(text, sizeof text, pattern.c_str(), directive.width,
                         directive.precision, real);
  } else {
    if (!integer) {
      const double real = *value.get<double>();
      if (!(std::abs(real) < 9e18)) refuse("formats {} as a whole number", format_real(real));
      storage = static_cast<std::int64_t>(real);
      integer = &storage;
    }
    pattern += "ll";
    pattern += directive.conversion == 'i' ? 'd' : directive.conversion;
    size = std::snprintf(text, sizeof text, pattern.c_str(), directive.width,
                         directive.precision, static_cast<long long>(*integer));
  }
  return std::string(text, static_cast<std::size_t>(size));
}

std::string print_text(const Directive& directive, const Value& value) {
  const std::string whole = directive.conversion == 'r' ? to_repr(value) : to_text(value);
  std::string text;
  int count = 0;
  for (const std::string_view character : split_characters(whole)) {
    if (directive.precision >= 0 && count == directive.precision) break;
    text += character;
    ++count;
  }
  if (count >= directive.width) return text;
  const std::string padding(static_cast<std::size_t>(directive.width - count), ' ');
  return directive.flags.find('-') != std::string::npos ? text + padding : padding + text;
}

}  // namespace

std::string percent_format(Interpreter& run, std::string_view format, const Value& arguments) {
  const Sequence* sequence = arguments.as_sequence();
  const bool is_tuple = sequence != nullptr && sequence->kind == SequenceKind::kTuple;
  const std::size_t count = is_tuple ? sequence->items.size() : 1;
  std::size_t used = 0;
  std::string text;
  while (!format.empty()) {
    const std::size_t percent = std::min(format.find('%'), format.size());
    text += format.substr(0, percent);
    format.remove_prefix(percent);
    if (format.empty()) break;
    format.remove_prefix(1);
    run.budget().take_steps(1);
    const Directive directive = read_directive(format);
    if (directive.conversion == '%') {
      text += '%';
      continue;
    }
    if (used == count) refuse("has not enough arguments for a format string");
    const Value& value = is_tuple ? sequence->items[used] : arguments;
    ++used;
    switch (directive.conversion) {
      case 's':
      case 'r': text += print_text(directive, value); break;
      case 'd':
      case 'i':
      case 'x':
      case 'X':
      case 'o':
      case 'e':
      case 'E':
      case 'f':
      case 'F':
      case 'g':
      case 'G': text += print_number(directive, value); break;
      default: unsupported("formats with %{}, which Trine does not know", directive.conversion);
    }
  }
  // One argument that is a dict may stay unused.
  if (used < count && arguments.as_dict() == nullptr) {
    refuse("gives a format string more arguments than it has places");
  }
  return text;
}

}  // namespace trine::input::chat_template
