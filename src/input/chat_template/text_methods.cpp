// Methods of strings.
#include <algorithm>

#include "input/chat_template/interpreter.h"
#include "input/chat_template/operations.h"
#include "input/chat_template/python_text.h"

namespace trine::input::chat_template {
namespace {

const Text& self_of(const Value& input) { return *input.as_text(); }

Value like(Interpreter& run, const Value& input, std::string_view text) {
  return run.text(std::string(text), self_of(input).markup);
}

bool is_given(const Arguments& arguments, std::size_t place) {
  return arguments.find(place) != nullptr && !arguments[place].is_none();
}

Value stripped(Interpreter& run, const Value& input, const Arguments& arguments, Side side) {
  const std::string& text = self_of(input).bytes;
  run.budget().take_steps(text.size() / kBytesPerStep);
  return like(
      run, input,
      is_given(arguments, 0) ? strip(text, arguments.text(0), side) : strip(text, side));
}

Value list_of(Interpreter& run, const Value& input, const std::vector<std::string_view>& parts,
              SequenceKind kind = SequenceKind::kList) {
  std::vector<Value> items;
  for (const std::string_view part : parts) items.push_back(like(run, input, part));
  return run.list(std::move(items), kind);
}

Value split_text(Interpreter& run, const Value& input, const Arguments& arguments,
                 bool from_right) {
  const std::string& text = self_of(input).bytes;
  const std::int64_t cuts = arguments.integer_or(1, -1);
  const std::size_t most = cuts < 0 ? SIZE_MAX : static_cast<std::size_t>(cuts);
  run.budget().take_bytes(text.size());
  if (!is_given(arguments, 0)) return list_of(run, input, split_words(text, most, from_right));
  const std::string& separator = arguments.text(0);
  if (separator.empty()) refuse("splits at an empty separator");
  return list_of(run, input, split_at(text, separator, most, from_right));
}

Value partitioned(Interpreter& run, const Value& input, const Arguments& arguments,
                  bool from_right) {
  const std::string_view text = self_of(input).bytes;
  const std::string& separator = arguments.text(0);
  if (separator.empty()) refuse("splits at an empty separator");
  const std::size_t found = from_right ? text.rfind(separator) : text.find(separator);
  std::vector<std::string_view> parts;
  if (found != std::string_view::npos) {
    parts = {text.substr(0, found), separator, text.substr(found + separator.size())};
  } else if (from_right) {
    parts = {"", "", text};
  } else {
    parts = {text, "", ""};
  }
  return list_of(run, input, parts, SequenceKind::kTuple);
}

/// startswith and endswith take one text or a tuple of them.
template <class Matches>
Value matches_any(Interpreter& run, const Arguments& arguments, Matches matches) {
  const Sequence* several = arguments[0].as_sequence();
  if (several == nullptr || several->kind != SequenceKind::kTuple) {
    return Value::boolean(matches(arguments.text(0)));
  }
  for (const Value& part : several->items) {
    run.budget().take_steps(1);
    if (part.as_text() == nullptr) refuse("looks for a {} in a string", part.type_name());
    if (matches(part.as_text()->bytes)) return Value::boolean(true);
  }
  return Value::boolean(false);
}

/// The characters before the first (or last) `wanted`; -1 when there is none.
std::int64_t find_text(const Value& input, const Arguments& arguments, bool from_right) {
  if (arguments.find(1)) unsupported("searches a part of a string; slice it first");
  const std::string_view text = self_of(input).bytes;
  const std::string& wanted = arguments.text(0);
  const std::size_t found = from_right ? text.rfind(wanted) : text.find(wanted);
  if (found == std::string_view::npos) return -1;
  return static_cast<std::int64_t>(count_characters(text.substr(0, found)));
}

Value require_found(std::int64_t place) {
  if (place < 0) refuse("substring not found");
  return Value::integer(place);
}

/// `left` of the missing characters before the text, the others behind.
Value padded(Interpreter& run, const Value& input, const Arguments& arguments, double left) {
  const std::string& text = self_of(input).bytes;
  const std::string fill = arguments.text_or(1, " ");
  if (count_characters(fill) != 1) refuse("fills up with more than one character");
  const auto width = static_cast<std::size_t>(std::max<std::int64_t>(arguments.integer(0), 0));
  const std::size_t length = count_characters(text);
  if (width <= length) return input;
  const std::size_t missing = width - length;
  run.budget().take_bytes(missing);
  run.budget().take_bytes(missing * fill.size());
  std::size_t before = left == 0.0 ? 0 : missing;
  if (left == 0.5) before = missing / 2 + (missing & width & 1);  // as CPython rounds
  std::string result;
  for (std::size_t i = 0; i < before; ++i) result += fill;
  result += text;
  for (std::size_t i = before; i < missing; ++i) result += fill;
  return like(run, input, result);
}

Value all_of(const Value& input, CharacterClass wanted) {
  return Value::boolean(all_are(self_of(input).bytes, wanted));
}

}  // namespace

Value strip_method(Interpreter& run, const Value& input, const Arguments& arguments) {
  return stripped(run, input, arguments, Side::kBoth);
}
Value lstrip_method(Interpreter& run, const Value& input, const Arguments& arguments) {
  return stripped(run, input, arguments, Side::kLeft);
}
Value rstrip_method(Interpreter& run, const Value& input, const Arguments& arguments) {
  return stripped(run, input, arguments, Side::kRight);
}

Value split_method(Interpreter& run, const Value& input, const Arguments& arguments) {
  return split_text(run, input, arguments, false);
}
Value rsplit_method(Interpreter& run, const Value& input, const Arguments& arguments) {
  return split_text(run, input, arguments, true);
}
Value splitlines_method(Interpreter& run, const Value& input, const Arguments& arguments) {
  return list_of(run, input, split_lines(self_of(input).bytes, arguments.boolean_or(0, false)));
}
Value partition_method(Interpreter& run, const Value& input, const Arguments& arguments) {
  return partitioned(run, input, arguments, false);
}
Value rpartition_method(Interpreter& run, const Value& input, const Arguments& arguments) {
  return partitioned(run, input, arguments, true);
}

Value startswith_method(Interpreter& run, const Value& input, const Arguments& arguments) {
  return matches_any(run, arguments, [&](const std::string& part) {
    return self_of(input).bytes.starts_with(part);
  });
}
Value endswith_method(Interpreter& run, const Value& input, const Arguments& arguments) {
  return matches_any(run, arguments, [&](const std::string& part) {
    return self_of(input).bytes.ends_with(part);
  });
}

Value find_text_method(Interpreter&, const Value& input, const Arguments& arguments) {
  return Value::integer(find_text(input, arguments, false));
}
Value rfind_method(Interpreter&, const Value& input, const Arguments& arguments) {
  return Value::integer(find_text(input, arguments, true));
}
Value index_method(Interpreter&, const Value& input, const Arguments& arguments) {
  return require_found(find_text(input, arguments, false));
}
Value rindex_method(Interpreter&, const Value& input, const Arguments& arguments) {
  return require_found(find_text(input, arguments, true));
}
Value count_method(Interpreter&, const Value& input, const Arguments& arguments) {
  return Value::integer(
      static_cast<std::int64_t>(count_occurrences(self_of(input).bytes, arguments.text(0))));
}

Value replace_method(Interpreter& run, const Value& input, const Arguments& arguments) {
  const std::string& text = self_of(input).bytes;
  const std::int64_t times = arguments.integer_or(2, -1);
  const std::size_t most = times < 0 ? SIZE_MAX : static_cast<std::size_t>(times);
  const std::size_t count = std::min(most, count_occurrences(text, arguments.text(0)));
  run.budget().take_bytes(text.size() + count * arguments.text(1).size());
  return like(run, input, replace(text, arguments.text(0), arguments.text(1), most));
}

Value removeprefix_method(Interpreter& run, const Value& input, const Arguments& arguments) {
  std::string_view text = self_of(input).bytes;
  if (text.starts_with(arguments.text(0))) text.remove_prefix(arguments.text(0).size());
  return like(run, input, text);
}
Value removesuffix_method(Interpreter& run, const Value& input, const Arguments& arguments) {
  std::string_view text = self_of(input).bytes;
  if (text.ends_with(arguments.text(0))) text.remove_suffix(arguments.text(0).size());
  return like(run, input, text);
}

Value upper_method(Interpreter& run, const Value& input, const Arguments&) {
  return like(run, input, upper(self_of(input).bytes));
}
Value lower_method(Interpreter& run, const Value& input, const Arguments&) {
  return like(run, input, lower(self_of(input).bytes));
}
Value capitalize_method(Interpreter& run, const Value& input, const Arguments&) {
  return like(run, input, capitalize(self_of(input).bytes));
}
Value title_method(Interpreter& run, const Value& input, const Arguments&) {
  return like(run, input, title(self_of(input).bytes));
}

Value ljust_method(Interpreter& run, const Value& input, const Arguments& arguments) {
  return padded(run, input, arguments, 0.0);
}
Value rjust_method(Interpreter& run, const Value& input, const Arguments& arguments) {
  return padded(run, input, arguments, 1.0);
}
Value center_method(Interpreter& run, const Value& input, const Arguments& arguments) {
  return padded(run, input, arguments, 0.5);
}
Value zfill_method(Interpreter& run, const Value& input, const Arguments& arguments) {
  std::string text = self_of(input).bytes;
  const auto width = static_cast<std::size_t>(std::max<std::int64_t>(arguments.integer(0), 0));
  const std::size_t length = count_characters(text);
  if (width <= length) return input;
  run.budget().take_bytes(width);
  const std::size_t sign = text.starts_with('-') || text.starts_with('+') ? 1 : 0;
  text.insert(sign, width - length, '0');
  return like(run, input, text);
}

Value join_method(Interpreter& run, const Value& input, const Arguments& arguments) {
  std::string joined;
  bool first = true;
  for (const Value& item : run.items_of(arguments[0])) {
    if (item.as_text() == nullptr)
      refuse("joins a {}; a string was expected", item.type_name());
    if (!std::exchange(first, false)) joined += self_of(input).bytes;
    joined += item.as_text()->bytes;
    if (joined.size() > run.budget().limits().max_value_bytes) break;
  }
  return like(run, input, joined);
}

Value isalpha_method(Interpreter&, const Value& input, const Arguments&) {
  return all_of(input, CharacterClass::kAlpha);
}
Value isalnum_method(Interpreter&, const Value& input, const Arguments&) {
  return all_of(input, CharacterClass::kAlphanumeric);
}
Value isdigit_method(Interpreter&, const Value& input, const Arguments&) {
  return all_of(input, CharacterClass::kDigit);
}
Value isdecimal_method(Interpreter&, const Value& input, const Arguments&) {
  return all_of(input, CharacterClass::kDecimal);
}
Value isnumeric_method(Interpreter&, const Value& input, const Arguments&) {
  return all_of(input, CharacterClass::kNumeric);
}
Value isspace_method(Interpreter&, const Value& input, const Arguments&) {
  return all_of(input, CharacterClass::kSpace);
}
Value islower_method(Interpreter&, const Value& input, const Arguments&) {
  return Value::boolean(is_lower(self_of(input).bytes));
}
Value isupper_method(Interpreter&, const Value& input, const Arguments&) {
  return Value::boolean(is_upper(self_of(input).bytes));
}

}  // namespace trine::input::chat_template
