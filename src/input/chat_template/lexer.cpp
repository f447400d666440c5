// White space follows Jinja 3.1 to the letter: one line feed behind %} and #} is dropped, so are
// the spaces before {% and {# at the start of a line, and a sign - drops all white space on its
// side, + keeps it. The source's own last line feed is not part of the template.
#include "input/chat_template/lexer.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "input/chat_template/python_text.h"
#include "input/chat_template/string_literal.h"
#include "input/chat_template/template_error.h"
#include "input/unicode.h"

namespace trine::input::chat_template {
namespace {

/// Longest first where one begins with another.
constexpr std::array<std::string_view, 26> kOperators = {
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
    "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";",
};

std::string normalise_lines(std::string_view source) {
  std::string text;
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      text += source[i];
    } else {
      text += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    }
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }

class Lexer {
 public:
  Lexer(std::string_view source, int& line) : source_(source), line_(line) {}

  std::vector<Token> run() {
    while (position_ < source_.size()) read_text();
    add(TokenKind::kEnd);
    return std::move(tokens_);
  }

 private:
  [[nodiscard]] std::string_view rest() const { return source_.substr(position_); }
  [[nodiscard]] bool at(std::string_view text) const { return rest().starts_with(text); }
  [[nodiscard]] char peek(std::size_t ahead) const {
    return position_ + ahead < source_.size() ? source_[position_ + ahead] : '\0';
  }

  void advance(std::size_t count) {
    const std::string_view passed = rest().substr(0, count);
    line_ += static_cast<int>(std::count(passed.begin(), passed.end(), '\n'));
    position_ += count;
  }
  void skip_space() { advance(rest().size() - strip(rest(), Side::kLeft).size()); }

  void add(TokenKind kind, std::string text = {}) {
    tokens_.push_back({.kind = kind, .line = line_, .text = std::move(text)});
  }

  /// Text up to the next tag, and the tag with all that is in it.
  void read_text() {
    std::size_t tag = position_;
    while (true) {
      tag = source_.find('{', tag);
      if (tag == std::string_view::npos) {
        add(TokenKind::kText, std::string(rest()));
        advance(rest().size());
        return;
      }
      const char kind = tag + 1 < source_.size() ? source_[tag + 1] : '\0';
      if (kind == '{' || kind == '%' || kind == '#') break;
      ++tag;
    }
    const char kind = source_[tag + 1];
    const char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    add_text(source_.substr(position_, tag - position_), sign, kind != '{');
    advance(tag - position_ + 2);
    if (sign == '-' || sign == '+') advance(1);
    switch (kind) {
      case '#': return skip_comment();
      case '{': return read_print();
      default: return read_block();
    }
  }

  void add_text(std::string_view text, char sign, bool is_block) {
    if (sign == '-') {
      text = strip(text, Side::kRight);
    } else if (sign != '+' && is_block) {
      const std::size_t line_feed = text.rfind('\n');
      const std::size_t start = line_feed == std::string_view::npos ? 0 : line_feed + 1;
      const bool blank = strip(text.substr(start), Side::kLeft).empty();
      if ((start > 0 || at_line_start_) && blank) text = text.substr(0, start);
    }
    if (!text.empty()) add(TokenKind::kText, std::string(text));
  }

  /// Behind `%}` or `#}`, whose size is `size`; `sign` is the letter before.
  void end_tag(std::size_t size, char sign) {
    advance(size);
    at_line_start_ = false;
    if (sign == '-') {
      const std::size_t before = position_;
      skip_space();
      at_line_start_ = position_ > before && source_[position_ - 1] == '\n';
    } else if (sign != '+' && at("\n")) {
      advance(1);
      at_line_start_ = true;
    }
  }

  void skip_comment() {
    const std::size_t end = rest().find("#}");
    if (end == std::string_view::npos) refuse("a comment {{# has no end #}}");
    // The sign of `{#-#}` belongs to its beginning.
    const char sign = end > 0 ? rest()[end - 1] : '\0';
    advance(end);
    end_tag(2, sign);
  }

  void read_print() {
    add(TokenKind::kPrintBegin);
    open_brackets_.clear();
    while (true) {
      if (position_ >= source_.size()) refuse("{{{{ has no end }}}}");
      const bool strips = at("-}}");
      if (open_brackets_.empty() && (strips || at("}}"))) {
        add(TokenKind::kPrintEnd);
        advance(strips ? 3 : 2);
        at_line_start_ = false;
        if (strips) {
          const std::size_t before = position_;
          skip_space();
          at_line_start_ = position_ > before && source_[position_ - 1] == '\n';
        }
        return;
      }
      read_token();
    }
  }

  void read_block() {
    if (read_raw()) return;
    add(TokenKind::kBlockBegin);
    open_brackets_.clear();
    while (true) {
      if (position_ >= source_.size()) refuse("{{% has no end %}}");
      const bool signed_end = at("-%}") || at("+%}");
      if (open_brackets_.empty() && (signed_end || at("%}"))) {
        add(TokenKind::kBlockEnd);
        const char sign = signed_end ? peek(0) : '\0';
        end_tag(signed_end ? 3 : 2, sign);
        return;
      }
      read_token();
    }
  }

  /// {% raw %} … {% endraw %}: text as it stands. False, and nothing is read, when it is not one.
  bool read_raw() {
    std::string_view head = strip(rest(), Side::kLeft);
    if (!head.starts_with("raw")) return false;
    head = strip(head.substr(3), Side::kLeft);
    const bool strips = head.starts_with("-%}");
    if (!strips && !head.starts_with("%}")) return false;
    advance(rest().size() - head.size() + (strips ? 3 : 2));
    if (strips) skip_space();
    at_line_start_ = position_ > 0 && source_[position_ - 1] == '\n';
    for (std::size_t tag = source_.find("{%", position_); tag != std::string_view::npos;
         tag = source_.find("{%", tag + 1)) {
      std::string_view end = source_.substr(tag + 2);
      const char sign = end.empty() ? '\0' : end.front();
      if (sign == '-' || sign == '+') end.remove_prefix(1);
      end = strip(end, Side::kLeft);
      if (!end.starts_with("endraw")) continue;
      end = strip(end.substr(6), Side::kLeft);
      const char end_sign = end.starts_with('-') || end.starts_with('+') ? end.front() : '\0';
      if (end_sign != '\0') end.remove_prefix(1);
      if (!end.starts_with("%}")) continue;
      add_text(source_.substr(position_, tag - position_), sign, true);
      advance(source_.size() - end.size() - position_);
      end_tag(2, end_sign);
      return true;
    }
    refuse("{{% raw %}} has no end");
  }

  void read_token() {
    const Utf8Character next = read_utf8(rest());
    if (is_space(next.code_point)) {
      skip_space();
    } else if (is_digit(peek(0))) {
      read_number();
    } else if (is_word_character(next.code_point)) {
      std::size_t size = 0;
      while (size < rest().size()) {
        const Utf8Character letter = read_utf8(rest().substr(size));
        if (!is_word_character(letter.code_point)) break;
        size += letter.length;
      }
      add(TokenKind::kName, std::string(rest().substr(0, size)));
      advance(size);
    } else if (peek(0) == '\'' || peek(0) == '"') {
      read_string();
    } else {
      read_operator();
    }
  }

  void read_string() {
    const char mark = peek(0);
    std::size_t end = 1;
    while (position_ + end < source_.size() && peek(end) != mark) {
      end += peek(end) == '\\' ? 2 : 1;
    }
    if (position_ + end >= source_.size())
      refuse("a string that begins with {} has no end", mark);
    add(TokenKind::kString, unescape_string(rest().substr(1, end - 1)));
    advance(end + 1);
  }

  /// Digits with single _ between them, from `start`; returns where they end.
  [[nodiscard]] std::size_t digits_end(std::size_t start) const {
    std::size_t end = start;
    while (is_digit(peek(end)) ||
           (end > start && peek(end) == '_' && is_digit(peek(end + 1)))) {
      ++end;
    }
    return end;
  }

  void read_number() {
    std::size_t end = digits_end(0);
    bool is_real = false;
    const bool after_dot = position_ > 0 && source_[position_ - 1] == '.';
    if (!after_dot) {
      if (peek(end) == '.' && is_digit(peek(end + 1))) {
        end = digits_end(end + 1);
        is_real = true;
      }
      if (peek(end) == 'e' || peek(end) == 'E') {
        const std::size_t sign = peek(end + 1) == '+' || peek(end + 1) == '-' ? 1 : 0;
        if (is_digit(peek(end + 1 + sign))) {
          end = digits_end(end + 1 + sign);
          is_real = true;
        }
      }
    }
    std::string digits(rest().substr(0, end));
    std::erase(digits, '_');
    const char letter = peek(end);
    if (!is_real && digits == "0" && letter != '\0' &&
        std::string_view("xXoObB").find(letter) != std::string_view::npos) {
      unsupported("writes a number as {}{}…; Trine knows decimal ones", digits, letter);
    }
    Token token{.kind = is_real ? TokenKind::kReal : TokenKind::kInteger, .line = line_};
    const char* last = digits.data() + digits.size();
    const auto error = is_real ? std::from_chars(digits.data(), last, token.real).ec
                               : std::from_chars(digits.data(), last, token.integer).ec;
    if (error != std::errc()) refuse("the number {} is too large", digits);
    if (!is_real && digits.size() > 1 && digits.front() == '0' && token.integer != 0) {
      refuse("the number {} begins with a zero", digits);
    }
    token.text = std::move(digits);
    tokens_.push_back(std::move(token));
    advance(end);
  }

  void read_operator() {
    for (const std::string_view symbol : kOperators) {
      if (!at(symbol)) continue;
      track_brackets(symbol.front());
      add(TokenKind::kOperator, std::string(symbol));
      advance(symbol.size());
      return;
    }
    refuse("has an unexpected character {}", rest().substr(0, read_utf8(rest()).length));
  }

  void track_brackets(char symbol) {
    switch (symbol) {
      case '(': open_brackets_ += ')'; break;
      case '[': open_brackets_ += ']'; break;
      case '{': open_brackets_ += '}'; break;
      case ')':
      case ']':
      case '}':
        if (open_brackets_.empty() || open_brackets_.back() != symbol) {
          refuse("has a {} that closes nothing", symbol);
        }
        open_brackets_.pop_back();
        break;
      default: break;
    }
  }

  std::string_view source_;
  int& line_;
  std::size_t position_ = 0;
  bool at_line_start_ = true;  ///< nothing of this line is left before position_
  std::string open_brackets_;  ///< what closes them, innermost last
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> lex(std::string_view source, int& line) {
  const std::string normalised = normalise_lines(source);
  line = 1;
  return Lexer(normalised, line).run();
}

}  // namespace trine::input::chat_template
