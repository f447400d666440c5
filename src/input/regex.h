// Regular expressions with limits, through PCRE2.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "input/json_part.h"

namespace trine::input {

/// A compiled expression. Immutable and cheap to copy; all copies may be used from several
/// threads at once.
class Regex {
 public:
  /// The expression `pattern` in the language of tokenizer.json (regex_dialect.h). kUnsupported
  /// and kMalformed give the reason as a sentence without a place.
  [[nodiscard]] static Result<Regex> compile(std::string_view pattern);
  /// The expression that matches `text` and nothing else.
  [[nodiscard]] static Result<Regex> of_text(std::string_view text);

 private:
  friend class RegexSearch;
  struct Code;

  explicit Regex(std::shared_ptr<const Code> code) : code_(std::move(code)) {}
  [[nodiscard]] static Result<Regex> compile_for_pcre2(std::string_view pattern,
                                                       std::uint32_t options);

  std::shared_ptr<const Code> code_;
};

/// {"String": "…"} or {"Regex": "…"}, the field "pattern" of `part`. kMalformed for an empty
/// one, and as Regex::compile(), with the place.
[[nodiscard]] Result<Regex> read_pattern(const JsonPart& part);

/// What an expression matched: text[begin, end), possibly empty.
struct RegexMatch {
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// Searches texts for one expression. The regex must outlive it; one object per thread.
///
/// An expression can be written such that a match takes longer than the universe has lasted.
/// One that needs more steps or memory than any known tokenizer by far is given up: it matches
/// nothing in the rest of that text, nor in later texts of the same search. The limits count
/// steps, not seconds, so the same text always has the same matches.
class RegexSearch {
 public:
  explicit RegexSearch(const Regex& regex);
  ~RegexSearch();
  RegexSearch(const RegexSearch&) = delete;
  RegexSearch& operator=(const RegexSearch&) = delete;

  /// All matches in `text` (valid UTF-8), left to right, none within another, and no empty one
  /// at the end of the one before. Valid until the next call.
  [[nodiscard]] const std::vector<RegexMatch>& find_all(std::string_view text);

 private:
  struct Memory;

  /// The first match at or after `start`; false when there is none.
  [[nodiscard]] bool find_next(std::string_view text, std::size_t start, RegexMatch& match);
  [[nodiscard]] int match_at(std::string_view text, std::size_t start);

  const Regex& regex_;
  std::unique_ptr<Memory> memory_;
  std::vector<RegexMatch> matches_;
  bool gave_up_ = false;
};

}  // namespace trine::input
