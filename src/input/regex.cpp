#include "input/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <string>

#include "input/regex_dialect.h"
#include "input/unicode.h"

namespace trine::input {
namespace {

/// The longest expression of a known tokenizer has 700 bytes.
constexpr std::size_t kLongestPattern = 16384;

/// A match may step once back over each character of the text and then some: a run of capitals,
/// say, is read once as the beginning of a capitalised word and once as a word of capitals.
constexpr std::uint32_t kSteps = 100000;
constexpr std::uint32_t kStepsPerByte = 16;
constexpr std::uint32_t kMostHeapKibibytes = 65536;
constexpr std::size_t kFirstStackBytes = 32 * 1024;
constexpr std::size_t kMostStackBytes = 4 * 1024 * 1024;

PCRE2_SPTR units(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

struct FreeCompileContext {
  void operator()(pcre2_compile_context* context) const { pcre2_compile_context_free(context); }
};

std::string pcre2_sentence(int error) {
  std::array<PCRE2_UCHAR, 256> text{};
  const int length = pcre2_get_error_message(error, text.data(), text.size());
  return std::string(text.begin(), text.begin() + std::max(length, 0));
}

}  // namespace

struct Regex::Code {
  struct Free {
    void operator()(pcre2_code* code) const { pcre2_code_free(code); }
  };
  std::unique_ptr<pcre2_code, Free> compiled;
  bool has_jit = false;  ///< else PCRE2 interprets the expression: the same, but slower
};

struct RegexSearch::Memory {
  struct Free {
    void operator()(pcre2_match_data* made) const { pcre2_match_data_free(made); }
    void operator()(pcre2_match_context* made) const { pcre2_match_context_free(made); }
    void operator()(pcre2_jit_stack* made) const { pcre2_jit_stack_free(made); }
  };
  std::unique_ptr<pcre2_match_data, Free> data;
  std::unique_ptr<pcre2_match_context, Free> context;
  std::unique_ptr<pcre2_jit_stack, Free> stack{};  ///< made when the first 32 KB are full
};

Result<Regex> Regex::compile(std::string_view pattern) {
  if (pattern.size() > kLongestPattern) {
    return fail(ErrorCode::kUnsupported, "its expression has {} bytes, expected at most {}",
                pattern.size(), kLongestPattern);
  }
  TRINE_ASSIGN_OR_RETURN(const std::string translated, to_pcre2(pattern));
  // UCP: classes and case by Unicode. MULTILINE: Ruby's ^ and $ mean lines.
  return compile_for_pcre2(translated, PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C);
}

Result<Regex> Regex::of_text(std::string_view text) {
  return compile_for_pcre2(text, PCRE2_LITERAL);
}

Result<Regex> Regex::compile_for_pcre2(std::string_view pattern, std::uint32_t options) {
  const std::unique_ptr<pcre2_compile_context, FreeCompileContext> context(
      pcre2_compile_context_create(nullptr));
  check(context != nullptr, "PCRE2 is out of memory");
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  std::size_t where = 0;
  const auto code = std::make_shared<Code>();
  code->compiled.reset(pcre2_compile(units(pattern), pattern.size(), options | PCRE2_UTF,
                                     &error, &where, context.get()));
  if (!code->compiled) {
    return fail(ErrorCode::kMalformed, "its expression cannot be read: {}",
                pcre2_sentence(error));
  }
  code->has_jit = pcre2_jit_compile(code->compiled.get(), PCRE2_JIT_COMPLETE) == 0;
  return Regex(code);
}

Result<Regex> read_pattern(const JsonPart& part) {
  TRINE_ASSIGN_OR_RETURN(const JsonPart pattern, part.field("pattern"));
  TRINE_ASSIGN_OR_RETURN(const auto kinds, pattern.fields(1));
  if (kinds.size() != 1) return pattern.wrong("{\"String\": …} or {\"Regex\": …}");
  const JsonPart& kind = kinds[0];
  if (kind.key() != "String" && kind.key() != "Regex") {
    return fail(ErrorCode::kUnsupported,
                "{} is of type \"{}\", which Trine does not know; known: Regex, String",
                pattern.place(), kind.key());
  }
  TRINE_ASSIGN_OR_RETURN(const std::string_view text, kind.string());
  if (text.empty()) return kind.wrong("a text that is not empty");
  auto regex = kind.key() == "String" ? Regex::of_text(text) : Regex::compile(text);
  if (!regex) return fail(regex.error().code, "{}: {}", kind.place(), regex.error().message);
  return regex;
}

RegexSearch::RegexSearch(const Regex& regex)
    : regex_(regex), memory_(std::make_unique<Memory>()) {
  memory_->data.reset(pcre2_match_data_create(1, nullptr));
  memory_->context.reset(pcre2_match_context_create(nullptr));
  check(memory_->data != nullptr && memory_->context != nullptr, "PCRE2 is out of memory");
  pcre2_set_heap_limit(memory_->context.get(), kMostHeapKibibytes);
}

RegexSearch::~RegexSearch() = default;

const std::vector<RegexMatch>& RegexSearch::find_all(std::string_view text) {
  constexpr std::size_t kLongest = std::numeric_limits<std::uint32_t>::max() / kStepsPerByte;
  const auto length = static_cast<std::uint32_t>(std::min(text.size(), kLongest - kSteps));
  pcre2_set_match_limit(memory_->context.get(), kSteps + kStepsPerByte * length);
  matches_.clear();
  RegexMatch match;
  std::size_t start = 0;
  while (start <= text.size() && find_next(text, start, match)) {
    const bool repeats =
        match.begin == match.end && !matches_.empty() && matches_.back().end == match.end;
    if (!repeats) {
      matches_.push_back(match);
      start = match.end;
    } else if (start < text.size()) {
      start += read_utf8(text.substr(start)).length;
    } else {
      break;
    }
  }
  return matches_;
}

bool RegexSearch::find_next(std::string_view text, std::size_t start, RegexMatch& match) {
  if (gave_up_) return false;
  const int result = match_at(text, start);
  if (result == PCRE2_ERROR_NOMATCH) return false;
  if (result < 0) {
    gave_up_ = true;
    return false;
  }
  const std::size_t* ends = pcre2_get_ovector_pointer(memory_->data.get());
  match = {ends[0], ends[1]};
  return true;
}

/// PCRE2's result: negative for no match and for limits that were reached. Tries the compiled
/// code, then the same with a larger stack, then the interpreter, whose memory is the heap.
int RegexSearch::match_at(std::string_view text, std::size_t start) {
  const pcre2_code* code = regex_.code_->compiled.get();
  pcre2_match_data* data = memory_->data.get();
  pcre2_match_context* context = memory_->context.get();
  const auto run_compiled = [&] {
    return pcre2_jit_match(code, units(text), text.size(), start, PCRE2_NO_UTF_CHECK, data,
                           context);
  };
  if (regex_.code_->has_jit) {
    int result = run_compiled();
    if (result == PCRE2_ERROR_JIT_STACKLIMIT && !memory_->stack) {
      memory_->stack.reset(pcre2_jit_stack_create(kFirstStackBytes, kMostStackBytes, nullptr));
      pcre2_jit_stack_assign(context, nullptr, memory_->stack.get());
      if (memory_->stack) result = run_compiled();
    }
    if (result != PCRE2_ERROR_JIT_STACKLIMIT) return result;
  }
  return pcre2_match(code, units(text), text.size(), start, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT,
                     data, context);
}

}  // namespace trine::input
