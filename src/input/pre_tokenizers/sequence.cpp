// {"type": "Sequence", "pretokenizers": […]}: each cuts the words of the one before.
#include "input/pre_tokenizers/pre_tokenizer.h"

namespace trine::input {

Status read_sequence_pre_tokenizer(const JsonPart& part, PreTokenizers& pre_tokenizers) {
  constexpr std::size_t kMostSteps = 256;  // real files have at most a handful
  TRINE_ASSIGN_OR_RETURN(const JsonPart field, part.field("pretokenizers"));
  TRINE_ASSIGN_OR_RETURN(const auto steps, field.items(kMostSteps));
  for (const JsonPart& step : steps) {
    TRINE_RETURN_IF_ERROR(read_pre_tokenizer(step, pre_tokenizers));
  }
  return {};
}

}  // namespace trine::input
