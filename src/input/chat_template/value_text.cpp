// How values are written: str(), repr() and json.dumps() of Python.
#include <unicode/uchar.h>

#include <algorithm>
#include <cmath>

#include "input/chat_template/value.h"
#include "input/unicode.h"

namespace trine::input::chat_template {
namespace {

/// str.isprintable(): everything but the general categories "Other" and "Separator"; the space
/// is printable.
bool is_printable(char32_t code_point) {
  if (code_point == U' ') return true;
  const auto mask = U_GET_GC_MASK(static_cast<UChar32>(code_point));
  return (mask & (U_GC_C_MASK | U_GC_Z_MASK)) == 0;
}

std::string quote(std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const char mark = has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
  std::string quoted(1, mark);
  while (!text.empty()) {
    const Utf8Character next = read_utf8(text);
    const char32_t code_point = next.code_point;
    if (code_point == U'\n') {
      quoted += "\\n";
    } else if (code_point == U'\t') {
      quoted += "\\t";
    } else if (code_point == U'\r') {
      quoted += "\\r";
    } else if (code_point == U'\\' || code_point == static_cast<char32_t>(mark)) {
      quoted += '\\';
      quoted += static_cast<char>(code_point);
    } else if (is_printable(code_point)) {
      quoted += text.substr(0, next.length);
    } else if (code_point < 0x100) {
      quoted += fmt::format("\\x{:02x}", static_cast<unsigned>(code_point));
    } else if (code_point < 0x10000) {
      quoted += fmt::format("\\u{:04x}", static_cast<unsigned>(code_point));
    } else {
      quoted += fmt::format("\\U{:08x}", static_cast<unsigned>(code_point));
    }
    text.remove_prefix(next.length);
  }
  return quoted + mark;
}

std::string join_reprs(const std::vector<Value>& items) {
  std::string text;
  for (const Value& item : items) {
    if (!text.empty()) text += ", ";
    text += to_repr(item);
  }
  return text;
}

std::string sequence_repr(const Sequence& sequence) {
  const std::string items = join_reprs(sequence.items);
  switch (sequence.kind) {
    case SequenceKind::kTuple:
      return fmt::format("({}{})", items, sequence.items.size() == 1 ? "," : "");
    case SequenceKind::kDictKeys: return fmt::format("dict_keys([{}])", items);
    case SequenceKind::kDictValues: return fmt::format("dict_values([{}])", items);
    case SequenceKind::kDictItems: return fmt::format("dict_items([{}])", items);
    case SequenceKind::kRange:
      unsupported("writes a range itself, which Trine does not do; make a list of it first");
    case SequenceKind::kList: break;
  }
  return fmt::format("[{}]", items);
}

std::string dict_repr(const Dict& dict) {
  std::string text = "{";
  for (const auto& [key, value] : dict.entries) {
    if (text.size() > 1) text += ", ";
    text += to_repr(key);
    text += ": ";
    text += to_repr(value);
  }
  text += '}';
  return text;
}

std::string json_quote(std::string_view text, bool ensure_ascii) {
  std::string quoted = "\"";
  while (!text.empty()) {
    const Utf8Character next = read_utf8(text);
    const auto code = static_cast<unsigned>(next.code_point);
    if (code == '"' || code == '\\') {
      quoted += '\\';
      quoted += static_cast<char>(code);
    } else if (code == '\n') {
      quoted += "\\n";
    } else if (code == '\r') {
      quoted += "\\r";
    } else if (code == '\t') {
      quoted += "\\t";
    } else if (code == '\f') {
      quoted += "\\f";
    } else if (code == '\b') {
      quoted += "\\b";
    } else if (code < 0x20 || (ensure_ascii && code >= 0x7F && code < 0x10000)) {
      quoted += fmt::format("\\u{:04x}", code);
    } else if (ensure_ascii && code >= 0x10000) {
      quoted += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + ((code - 0x10000) >> 10),
                            0xDC00 + ((code - 0x10000) & 0x3FF));
    } else {
      quoted += text.substr(0, next.length);
    }
    text.remove_prefix(next.length);
  }
  return quoted + '"';
}

std::string json_real(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return format_real(value);
}

/// Writes one value after the other into one text.
class JsonWriter {
 public:
  explicit JsonWriter(const JsonStyle& style) : style_(style) {}

  void write(const Value& value) {
    if (value.is_none()) {
      text_ += "null";
    } else if (const bool* truth = value.get<bool>()) {
      text_ += *truth ? "true" : "false";
    } else if (const auto* number = value.get<std::int64_t>()) {
      text_ += fmt::format("{}", *number);
    } else if (const double* real = value.get<double>()) {
      text_ += json_real(*real);
    } else if (const Text* text = value.as_text()) {
      text_ += json_quote(text->bytes, style_.ensure_ascii);
    } else if (const Dict* dict = value.as_dict()) {
      write_dict(*dict);
    } else if (const Sequence* sequence = value.as_sequence();
               sequence != nullptr && (sequence->kind == SequenceKind::kList ||
                                       sequence->kind == SequenceKind::kTuple)) {
      write_items(*sequence);
    } else {
      refuse("Object of type {} is not JSON serializable", value.type_name());
    }
  }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  void write_items(const Sequence& sequence) {
    if (sequence.items.empty()) {
      text_ += "[]";
      return;
    }
    open('[');
    bool first = true;
    for (const Value& item : sequence.items) {
      if (!std::exchange(first, false)) separate();
      write(item);
    }
    close(']');
  }

  void write_dict(const Dict& dict) {
    if (dict.entries.empty()) {
      text_ += "{}";
      return;
    }
    std::vector<const std::pair<Value, Value>*> entries;
    for (const auto& entry : dict.entries) entries.push_back(&entry);
    if (style_.sort_keys) {
      std::stable_sort(entries.begin(), entries.end(), [](const auto* a, const auto* b) {
        return is_less(a->first, b->first);
      });
    }
    open('{');
    bool first = true;
    for (const auto* entry : entries) {
      if (!std::exchange(first, false)) separate();
      text_ += json_quote(key_name(entry->first), style_.ensure_ascii) + style_.key_separator;
      write(entry->second);
    }
    close('}');
  }

  static std::string key_name(const Value& key) {
    if (const Text* text = key.as_text()) return text->bytes;
    if (key.is_none()) return "null";
    if (const bool* truth = key.get<bool>()) return *truth ? "true" : "false";
    if (const auto* number = key.get<std::int64_t>()) return fmt::format("{}", *number);
    if (const double* real = key.get<double>()) return json_real(*real);
    refuse("keys must be str, int, float, bool or None, not {}", key.type_name());
  }

  void open(char bracket) {
    text_ += bracket;
    ++depth_;
    break_line();
  }
  void separate() {
    text_ += style_.item_separator;
    break_line();
  }
  void close(char bracket) {
    --depth_;
    break_line();
    text_ += bracket;
  }
  void break_line() {
    if (!style_.has_indent) return;
    text_ += '\n';
    for (std::size_t i = 0; i < depth_; ++i) text_ += style_.indent;
  }

  const JsonStyle& style_;
  std::string text_;
  std::size_t depth_ = 0;
};

}  // namespace

std::string format_real(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

std::string to_text(const Value& value) {
  if (value.is_undefined()) return {};
  if (const Text* text = value.as_text()) return text->bytes;
  return to_repr(value);
}

std::string to_repr(const Value& value) {
  if (value.is_undefined()) return "Undefined";
  if (value.is_none()) return "None";
  if (const bool* truth = value.get<bool>()) return *truth ? "True" : "False";
  if (const auto* number = value.get<std::int64_t>()) return fmt::format("{}", *number);
  if (const double* real = value.get<double>()) return format_real(*real);
  if (const Text* text = value.as_text()) {
    return text->markup ? fmt::format("Markup({})", quote(text->bytes)) : quote(text->bytes);
  }
  if (const Sequence* sequence = value.as_sequence()) return sequence_repr(*sequence);
  if (const Dict* dict = value.as_dict()) return dict_repr(*dict);
  unsupported("writes a value of type {}, which has no text of its own", value.type_name());
}

std::string to_json(const Value& value, const JsonStyle& style) {
  JsonWriter writer(style);
  writer.write(value);
  return writer.take();
}

}  // namespace trine::input::chat_template
