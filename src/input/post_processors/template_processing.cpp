// {"type": "TemplateProcessing", "single": […], "special_tokens": {…}}: a row of special
// tokens with one place, "A", for the text. The template for pairs of texts is not read:
// language models are given one.
#include "input/post_processors/post_processor.h"
#include "input/vocabulary.h"

namespace trine::input {
namespace {

constexpr std::size_t kMostPieces = 256;  // real templates have 1 to 3

/// The ids that "special_tokens" gives for the name `name`.
Result<std::vector<std::int32_t>> read_special_ids(const JsonPart& part, const JsonPart& name) {
  TRINE_ASSIGN_OR_RETURN(const std::string_view text, name.string());
  TRINE_ASSIGN_OR_RETURN(const JsonPart special_tokens, part.field("special_tokens"));
  const auto entry = special_tokens.find(text);
  if (!entry) return name.wrong("a name listed in special_tokens");
  TRINE_ASSIGN_OR_RETURN(const JsonPart ids_field, entry->field("ids"));
  TRINE_ASSIGN_OR_RETURN(const auto ids, ids_field.items(kMostPieces));
  std::vector<std::int32_t> numbers;
  for (const JsonPart& id : ids) {
    TRINE_ASSIGN_OR_RETURN(const std::int64_t number, id.integer(0, kMaxVocabulary - 1));
    numbers.push_back(static_cast<std::int32_t>(number));
  }
  return numbers;
}

/// Whether `piece` is the place for the text; if it is a special token instead, appends its ids.
Result<bool> read_piece(const JsonPart& part, const JsonPart& piece,
                        std::vector<std::int32_t>& ids) {
  TRINE_ASSIGN_OR_RETURN(const auto kinds, piece.fields(1));
  if (kinds.size() != 1) return piece.wrong("{\"SpecialToken\": …} or {\"Sequence\": …}");
  const JsonPart& content = kinds[0];
  TRINE_ASSIGN_OR_RETURN(const JsonPart name, content.field("id"));
  if (content.key() == "SpecialToken") {
    TRINE_ASSIGN_OR_RETURN(const auto special_ids, read_special_ids(part, name));
    ids.insert(ids.end(), special_ids.begin(), special_ids.end());
    return false;
  }
  if (content.key() != "Sequence") {
    return fail(
        ErrorCode::kUnsupported,
        "{} is of type \"{}\", which Trine does not know; known: SpecialToken, Sequence",
        piece.place(), content.key());
  }
  TRINE_ASSIGN_OR_RETURN(const std::string_view text, name.string());
  if (text != "A") return name.wrong("\"A\", the only text of a template for one");
  return true;
}

}  // namespace

Status read_template_processing(const JsonPart& part, SpecialTokenFrame& frame) {
  TRINE_ASSIGN_OR_RETURN(const JsonPart single, part.field("single"));
  TRINE_ASSIGN_OR_RETURN(const auto pieces, single.items(kMostPieces));
  std::vector<std::int32_t> before;
  std::vector<std::int32_t> after;
  std::size_t texts = 0;
  for (const JsonPart& piece : pieces) {
    TRINE_ASSIGN_OR_RETURN(const bool is_text,
                           read_piece(part, piece, texts == 0 ? before : after));
    if (is_text) ++texts;
  }
  if (texts != 1) {
    return fail(ErrorCode::kMalformed, "{} has {} places for the text, expected one",
                single.place(), texts);
  }
  frame.before.insert(frame.before.begin(), before.begin(), before.end());
  frame.after.insert(frame.after.end(), after.begin(), after.end());
  return {};
}

}  // namespace trine::input
