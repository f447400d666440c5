// {"type": "Digits", "individual_digits": true}: numbers apart from the rest, and perhaps their
// digits from each other. A digit is any character of the category N, such as "½".
#include "input/pre_tokenizers/split.h"

namespace trine::input {

Status read_digits_pre_tokenizer(const JsonPart& part, PreTokenizers& pre_tokenizers) {
  TRINE_ASSIGN_OR_RETURN(const bool individual, part.boolean_or("individual_digits", false));
  pre_tokenizers.push_back(make_split(
      R"(\p{N})", individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous));
  return {};
}

}  // namespace trine::input
