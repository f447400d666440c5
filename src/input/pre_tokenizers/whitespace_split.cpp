// {"type": "WhitespaceSplit"}: words are what stands between white space, which goes.
#include "input/pre_tokenizers/split.h"

namespace trine::input {

Status read_whitespace_split_pre_tokenizer(const JsonPart&, PreTokenizers& pre_tokenizers) {
  pre_tokenizers.push_back(make_split(R"(\s)", SplitBehavior::kRemoved));
  return {};
}

}  // namespace trine::input
