// {"type": "Punctuation", "behavior": "Isolated"}: cuts at every mark of punctuation, of the
// categories P or, in ASCII, S. (The Rust library `tokenizers` has Unicode 8 here: it misses
// 130 marks of rare scripts and the newer ones of U+2E43 to U+2E5D.)
#include "input/pre_tokenizers/split.h"

namespace trine::input {

Status read_punctuation_pre_tokenizer(const JsonPart& part, PreTokenizers& pre_tokenizers) {
  SplitBehavior behavior = SplitBehavior::kIsolated;
  if (part.find("behavior")) {
    TRINE_ASSIGN_OR_RETURN(behavior, read_split_behavior(part));
  }
  pre_tokenizers.push_back(make_split(R"([\p{P}$+<=>\^`|~])", behavior));
  return {};
}

}  // namespace trine::input
