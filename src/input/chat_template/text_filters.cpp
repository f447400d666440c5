// Filters that make text.
#include <algorithm>

#include "input/chat_template/interpreter.h"
#include "input/chat_template/operations.h"
#include "input/chat_template/python_text.h"
#include "input/unicode.h"

namespace trine::input::chat_template {
namespace {

/// Jinja's soft_str(): text stays what it is, the mark of safe included.
Text soft_text(const Value& value) {
  if (const Text* text = value.as_text()) return *text;
  return {to_text(value), false};
}

Value mapped(Interpreter& run, const Value& input, std::string (*change)(std::string_view)) {
  const Text text = soft_text(input);
  return run.text(change(text.bytes), text.markup);
}

/// Where the filter title begins a new word.
bool begins_word_after(char32_t code_point) {
  constexpr std::u32string_view kMarks = U"-({[<";
  return is_space(code_point) || kMarks.find(code_point) != std::u32string_view::npos;
}

std::string title_words(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    std::size_t word = 0;
    while (word < text.size()) {
      const Utf8Character next = read_utf8(text.substr(word));
      if (begins_word_after(next.code_point)) break;
      word += next.length;
    }
    if (word > 0) {
      const std::size_t first = read_utf8(text).length;
      result += upper(text.substr(0, first)) + lower(text.substr(first, word - first));
      text.remove_prefix(word);
      continue;
    }
    const std::size_t length = read_utf8(text).length;
    result += text.substr(0, length);
    text.remove_prefix(length);
  }
  return result;
}

std::size_t count_or_all(const Arguments& arguments, std::size_t place) {
  const std::int64_t count = arguments.integer_or(place, -1);
  return count < 0 ? SIZE_MAX : static_cast<std::size_t>(count);
}

/// json.dumps' indent: a number of spaces, or the text itself.
void read_indent(const Value* value, JsonStyle& style) {
  if (value == nullptr || value->is_none()) return;
  std::int64_t storage = 0;
  style.has_indent = true;
  style.item_separator.assign(1, ',');  // = "," trips a warning of GCC 12
  if (const Text* text = value->as_text()) {
    style.indent = text->bytes;
  } else if (const auto* spaces = value->as_integer(storage)) {
    constexpr std::int64_t kMost = 64;
    if (*spaces > kMost) unsupported("indents JSON by more than {} spaces", kMost);
    style.indent.assign(static_cast<std::size_t>(std::max<std::int64_t>(*spaces, 0)), ' ');
  } else {
    refuse("gives tojson an indent of type {}", value->type_name());
  }
}

}  // namespace

Value capitalize_filter(Interpreter& run, const Value& input, const Arguments&) {
  return mapped(run, input, capitalize);
}

Value lower_filter(Interpreter& run, const Value& input, const Arguments&) {
  return mapped(run, input, lower);
}

Value upper_filter(Interpreter& run, const Value& input, const Arguments&) {
  return mapped(run, input, upper);
}

Value title_filter(Interpreter& run, const Value& input, const Arguments&) {
  return run.text(title_words(soft_text(input).bytes));
}

Value string_filter(Interpreter& run, const Value& input, const Arguments&) {
  return input.as_text() ? input : run.text(to_text(input));
}

Value safe_filter(Interpreter& run, const Value& input, const Arguments&) {
  return run.text(to_text(input), true);
}

Value escape_filter(Interpreter& run, const Value& input, const Arguments&) {
  const Text text = soft_text(input);
  return run.text(text.markup ? text.bytes : escape_html(text.bytes), true);
}

Value forceescape_filter(Interpreter& run, const Value& input, const Arguments&) {
  return run.text(escape_html(to_text(input)), true);
}

Value trim_filter(Interpreter& run, const Value& input, const Arguments& arguments) {
  const Text text = soft_text(input);
  const Value* characters = arguments.find(0);
  const bool given = characters != nullptr && !characters->is_none();
  return run.text(std::string(given ? strip(text.bytes, arguments.text(0), Side::kBoth)
                                    : strip(text.bytes, Side::kBoth)),
                  text.markup);
}

Value replace_filter(Interpreter& run, const Value& input, const Arguments& arguments) {
  const std::string text = to_text(input);
  const std::string old = to_text(arguments[0]);
  const std::string replacement = to_text(arguments[1]);
  const std::size_t most = count_or_all(arguments, 2);
  const std::size_t count = std::min(most, count_occurrences(text, old));
  run.budget().take_bytes(text.size() + count * replacement.size());
  return run.text(replace(text, old, replacement, most));
}

Value center_filter(Interpreter& run, const Value& input, const Arguments& arguments) {
  const Text text = soft_text(input);
  const auto width =
      static_cast<std::size_t>(std::max<std::int64_t>(arguments.integer_or(0, 80), 0));
  const std::size_t length = count_characters(text.bytes);
  if (width <= length) return run.text(text.bytes, text.markup);
  const std::size_t padding = width - length;
  run.budget().take_bytes(padding);
  // CPython puts the odd space on the left when the width is odd too.
  const std::size_t left = padding / 2 + (padding & width & 1);
  return run.text(std::string(left, ' ') + text.bytes + std::string(padding - left, ' '),
                  text.markup);
}

Value indent_filter(Interpreter& run, const Value& input, const Arguments& arguments) {
  const Text text = soft_text(input);
  const Value* width = arguments.find(0);
  std::string margin;
  if (width != nullptr && width->as_text()) {
    margin = width->as_text()->bytes;
  } else {
    const auto spaces =
        static_cast<std::size_t>(std::max<std::int64_t>(arguments.integer_or(0, 4), 0));
    run.budget().take_bytes(spaces);
    margin.assign(spaces, ' ');
  }
  const bool first = arguments.boolean_or(1, false);
  const bool blank = arguments.boolean_or(2, false);
  const std::string source =
      text.bytes + "\n";  // Jinja: the last line counts although it is cut
  const std::vector<std::string_view> lines = split_lines(source, false);
  run.budget().take_bytes(source.size() + lines.size() * margin.size());
  std::string result = first ? margin : "";
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) result += '\n';
    if (i > 0 && (blank || !lines[i].empty())) result += margin;
    result += lines[i];
  }
  return run.text(std::move(result), text.markup);
}

Value truncate_filter(Interpreter& run, const Value& input, const Arguments& arguments) {
  const Text text = soft_text(input);
  const std::int64_t length = arguments.integer_or(0, 255);
  const bool kill_words = arguments.boolean_or(1, false);
  const std::string end = arguments.text_or(2, "...");
  const std::int64_t leeway = arguments.integer_or(3, 5);
  const auto end_length = static_cast<std::int64_t>(count_characters(end));
  if (length < end_length || leeway < 0) refuse("gives truncate a length of {}", length);
  const std::vector<std::string_view> characters = split_characters(text.bytes);
  const auto count = static_cast<std::int64_t>(characters.size());
  if (count - leeway <= length) return run.text(text.bytes, text.markup);
  std::string cut;
  for (std::int64_t i = 0; i < length - end_length; ++i) {
    cut += characters[static_cast<std::size_t>(i)];
  }
  const std::size_t space = cut.rfind(' ');
  if (!kill_words && space != std::string::npos) cut.resize(space);
  return run.text(cut + end, text.markup);
}

Value wordcount_filter(Interpreter&, const Value& input, const Arguments&) {
  const std::string text = soft_text(input).bytes;
  std::int64_t count = 0;
  bool in_word = false;
  for (const std::string_view character : split_characters(text)) {
    const bool is_word = is_word_character(read_utf8(character).code_point);
    if (is_word && !in_word) ++count;
    in_word = is_word;
  }
  return Value::integer(count);
}

Value urlencode_filter(Interpreter& run, const Value& input, const Arguments&) {
  if (!input.as_text())
    unsupported("encodes a {} for a URL; Trine does strings", input.type_name());
  constexpr std::string_view kKept = "_.-~/";
  std::string encoded;
  for (const char letter : input.as_text()->bytes) {
    const bool plain = (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
                       (letter >= '0' && letter <= '9') ||
                       kKept.find(letter) != std::string_view::npos;
    encoded += plain ? std::string(1, letter)
                     : fmt::format("%{:02X}", static_cast<unsigned char>(letter));
  }
  return run.text(std::move(encoded));
}

Value format_filter(Interpreter& run, const Value& input, const Arguments& arguments) {
  const Text text = soft_text(input);
  if (!arguments.call().named.empty())
    unsupported("formats with names, which Trine does not do");
  const Value values = run.list(arguments.call().positional, SequenceKind::kTuple);
  return run.text(percent_format(run, text.bytes, values), text.markup);
}

Value tojson_filter(Interpreter& run, const Value& input, const Arguments& arguments) {
  JsonStyle style;
  style.ensure_ascii = arguments.boolean_or(0, false);
  read_indent(arguments.find(1), style);
  if (const Value* separators = arguments.find(2); separators && !separators->is_none()) {
    const std::vector<Value> both = run.items_of(*separators);
    const bool are_texts = both.size() == 2 && both[0].as_text() && both[1].as_text();
    if (!are_texts) refuse("gives tojson separators that are not two strings");
    style.item_separator = both[0].as_text()->bytes;
    style.key_separator = both[1].as_text()->bytes;
  }
  style.sort_keys = arguments.boolean_or(3, false);
  return run.text(to_json(input, style));
}

}  // namespace trine::input::chat_template
