#include "input/regex_dialect.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "input/character_sets.h"

namespace trine::input {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

constexpr std::array<std::string_view, 8> kGroups = {"(?:",  "(?=",  "(?!",  "(?>",
                                                     "(?<=", "(?<!", "(?i:", "(?-i:"};

/// A set of characters, as it stands between [ and ].
struct Set {
  std::string items{};
  bool negated = false;  ///< all but the items
};

/// Reads the pattern from left to right, once.
class Translation {
 public:
  explicit Translation(std::string_view pattern) : rest_(pattern) {}

  Result<std::string> run() {
    while (!rest_.empty()) TRINE_RETURN_IF_ERROR(read_item());
    return std::move(written_);
  }

 private:
  Status read_item() {
    switch (rest_.front()) {
      case '\\': return read_escape_outside();
      case '[': return read_class();
      case '(': return read_group();
      case '{': return read_repetition();
      default: copy(1); return {};
    }
  }

  void copy(std::size_t count) {
    written_ += rest_.substr(0, count);
    rest_.remove_prefix(std::min(count, rest_.size()));
  }

  Status read_group() {
    if (rest_.starts_with("(*")) return refuse("(*");
    // Further on, (?i) means different things to the two languages.
    if (written_.empty() && rest_.starts_with("(?i)")) return copy(4), Status{};
    if (!rest_.starts_with("(?")) return copy(1), Status{};
    for (const std::string_view group : kGroups) {
      if (rest_.starts_with(group)) return copy(group.size()), Status{};
    }
    return refuse(rest_.substr(0, 3));
  }

  /// {2} {2,} {2,3}. A + or ? behind one means different things to the two languages.
  Status read_repetition() {
    std::size_t end = 1;
    while (end < rest_.size() && is_digit(rest_[end])) ++end;
    if (end > 1 && end < rest_.size() && rest_[end] == ',') ++end;
    while (end < rest_.size() && is_digit(rest_[end])) ++end;
    const bool is_complete = end > 1 && end < rest_.size() && rest_[end] == '}';
    if (!is_complete) return refuse("{ without two numbers");
    copy(end + 1);
    if (rest_.starts_with('+') || rest_.starts_with('?')) return refuse("{…}+ or {…}?");
    return {};
  }

  Status read_escape_outside() {
    if (rest_.starts_with("\\A") || rest_.starts_with("\\z")) return copy(2), Status{};
    TRINE_ASSIGN_OR_RETURN(const auto set, read_set());
    if (!set) return read_character_escape();
    written_ += set->negated ? "[^" : "[";
    written_ += set->items;
    written_ += ']';
    return {};
  }

  Status read_class() {
    copy(rest_.starts_with("[^") ? 2 : 1);
    if (rest_.starts_with(']')) return refuse("an empty class");
    bool after_edge = true;  // the beginning of the class or a set, where '-' joins nothing
    while (!rest_.starts_with(']')) {
      if (rest_.empty()) return refuse("[ without ]");
      TRINE_ASSIGN_OR_RETURN(after_edge, read_class_item(after_edge));
    }
    copy(1);
    return {};
  }

  /// Whether the item was a set, beside which '-' stands for itself.
  Result<bool> read_class_item(bool after_edge) {
    if (rest_.starts_with('[')) return refuse("[ within a class");
    if (rest_.starts_with("&&")) return refuse("&& within a class");
    if (rest_.starts_with('-')) {
      const bool before_edge = rest_.starts_with("-]") || begins_with_set(rest_.substr(1));
      if (after_edge || before_edge) written_ += '\\';
      return copy(1), false;
    }
    if (!rest_.starts_with('\\')) return copy(1), false;
    TRINE_ASSIGN_OR_RETURN(const auto set, read_set());
    if (!set) {
      TRINE_RETURN_IF_ERROR(read_character_escape());
      return false;
    }
    if (set->negated) return refuse("\\P or \\D within a class");
    written_ += set->items;
    return true;
  }

  static bool begins_with_set(std::string_view text) {
    return text.size() > 1 && text[0] == '\\' &&
           std::string_view("sSdDpP").find(text[1]) != std::string_view::npos;
  }

  /// An escape that means many characters; nothing, and nothing read, if it means one.
  Result<std::optional<Set>> read_set() {
    if (!begins_with_set(rest_)) return std::nullopt;
    const char kind = rest_[1];
    if (kind == 'p' || kind == 'P') return read_property(kind == 'P');
    rest_.remove_prefix(2);
    switch (kind) {
      case 's': return Set{std::string(kWhiteSpaceSet)};
      case 'S': return Set{std::string(kOtherThanWhiteSpaceSet)};
      default: return Set{*property_set("Nd"), kind == 'D'};
    }
  }

  /// \p{Lu}, \P{Lu}, \p{^Lu}
  Result<std::optional<Set>> read_property(bool negated) {
    const std::size_t end = rest_.find('}');
    if (end == std::string_view::npos || rest_[2] != '{') return refuse("\\p without {…}");
    const std::string_view written = rest_.substr(0, end + 1);
    std::string_view name = rest_.substr(3, end - 3);
    if (name.starts_with('^')) {
      name.remove_prefix(1);
      negated = !negated;
    }
    const auto items = property_set(name);
    if (!items) return refuse(written);
    rest_.remove_prefix(written.size());
    return Set{*items, negated};
  }

  /// An escape that means one character.
  Status read_character_escape() {
    if (rest_.size() < 2) return refuse("\\ at the end");
    const char kind = rest_[1];
    if (kind == 'u' || kind == 'x') return read_code_point();
    if (kind == 'v') {
      written_ += "\\x0B";
      rest_.remove_prefix(2);
      return {};
    }
    const bool is_plain = !is_letter(kind) && !is_digit(kind);
    const bool is_control = std::string_view("rntfae").find(kind) != std::string_view::npos;
    if (!is_plain && !is_control) return refuse(rest_.substr(0, 2));
    copy(2);
    return {};
  }

  /// \x41, \x{1F600}, \u2028
  Status read_code_point() {
    const bool is_braced = rest_.starts_with("\\x{");
    const std::size_t first = is_braced ? 3 : 2;
    const std::size_t most = is_braced ? 6 : rest_[1] == 'u' ? 4 : 2;
    std::size_t end = first;
    while (end < rest_.size() && end < first + most && is_hex(rest_[end])) ++end;
    const std::string_view digits = rest_.substr(first, end - first);
    const bool is_complete = is_braced ? !digits.empty() && rest_.substr(end).starts_with('}')
                                       : digits.size() == most;
    if (!is_complete) return refuse("an unfinished \\x or \\u");
    written_.append("\\x{").append(digits) += '}';
    rest_.remove_prefix(end + (is_braced ? 1 : 0));
    return {};
  }

  static tl::unexpected<Error> refuse(std::string_view construct) {
    return fail(ErrorCode::kUnsupported,
                "its expression uses {}, which Trine does not know in expressions", construct);
  }

  std::string_view rest_;
  std::string written_;
};

}  // namespace

Result<std::string> to_pcre2(std::string_view pattern) { return Translation(pattern).run(); }

}  // namespace trine::input
