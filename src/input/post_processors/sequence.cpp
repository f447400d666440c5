// {"type": "Sequence", "processors": […]}: each around what the ones before it made.
#include "input/post_processors/post_processor.h"

namespace trine::input {

Status read_sequence_post_processor(const JsonPart& part, SpecialTokenFrame& frame) {
  constexpr std::size_t kMostSteps = 256;  // real files have two
  TRINE_ASSIGN_OR_RETURN(const JsonPart field, part.field("processors"));
  TRINE_ASSIGN_OR_RETURN(const auto steps, field.items(kMostSteps));
  for (const JsonPart& step : steps) TRINE_RETURN_IF_ERROR(read_post_processor(step, frame));
  return {};
}

}  // namespace trine::input
