#include "input/part_kinds.h"

namespace trine::input {

Result<std::string> read_text_pattern(const JsonPart& part) {
  TRINE_ASSIGN_OR_RETURN(const JsonPart pattern, part.field("pattern"));
  TRINE_ASSIGN_OR_RETURN(const auto kinds, pattern.fields(1));
  if (kinds.size() != 1) return pattern.wrong("{\"String\": …}");
  if (kinds[0].key() != "String") {
    return fail(ErrorCode::kUnsupported,
                "{} is of type \"{}\", which Trine does not know; known: String",
                pattern.place(), kinds[0].key());
  }
  TRINE_ASSIGN_OR_RETURN(const std::string_view text, kinds[0].string());
  if (text.empty()) return kinds[0].wrong("a text that is not empty");
  return std::string(text);
}

}  // namespace trine::input
