// {"type": "BertProcessing", "cls": ["<s>", 0], "sep": ["</s>", 2]}, and RobertaProcessing, whose
// further fields concern places in the text: one token before, one after.
#include "input/post_processors/post_processor.h"
#include "input/vocabulary.h"

namespace trine::input {
namespace {

/// The id in ["<s>", 0], the field `name` of `part`.
Result<std::int32_t> read_token_id(const JsonPart& part, std::string_view name) {
  TRINE_ASSIGN_OR_RETURN(const JsonPart field, part.field(name));
  TRINE_ASSIGN_OR_RETURN(const auto pair, field.items(2));
  if (pair.size() != 2) return field.wrong("a text and an id");
  TRINE_ASSIGN_OR_RETURN(const std::int64_t id, pair[1].integer(0, kMaxVocabulary - 1));
  return static_cast<std::int32_t>(id);
}

}  // namespace

Status read_bert_processing(const JsonPart& part, SpecialTokenFrame& frame) {
  TRINE_ASSIGN_OR_RETURN(const std::int32_t before, read_token_id(part, "cls"));
  TRINE_ASSIGN_OR_RETURN(const std::int32_t after, read_token_id(part, "sep"));
  frame.before.insert(frame.before.begin(), before);
  frame.after.push_back(after);
  return {};
}

}  // namespace trine::input
