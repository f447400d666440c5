// Cutting words at the matches of an expression: what most pre-tokenizers come down to.
#pragma once

#include <memory>

#include "input/pre_tokenizers/pre_tokenizer.h"
#include "input/regex.h"

namespace trine::input {

/// What becomes of the delimiters, given "a--b" and the delimiter "-".
enum class SplitBehavior {
  kRemoved,             ///< a b
  kIsolated,            ///< a - - b
  kMergedWithPrevious,  ///< a- - b
  kMergedWithNext,      ///< a - -b
  kContiguous,          ///< a -- b
};

/// Reads the field "behavior" of `part`. kMalformed lists the names.
[[nodiscard]] Result<SplitBehavior> read_split_behavior(const JsonPart& part);

/// The delimiters are what `regex` matches or, when `inverted`, what it leaves out.
[[nodiscard]] std::unique_ptr<const PreTokenizer> make_split(Regex regex,
                                                             SplitBehavior behavior,
                                                             bool inverted);

/// The same with one of our own expressions, which must be right.
[[nodiscard]] std::unique_ptr<const PreTokenizer> make_split(std::string_view pattern,
                                                             SplitBehavior behavior);

}  // namespace trine::input
