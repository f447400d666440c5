// {"type": "Sequence", "decoders": […]}: one after the other.
#include "input/decoders/decoder.h"

namespace trine::input {

Status read_sequence_decoder(const JsonPart& part, Decoders& decoders) {
  constexpr std::size_t kMostSteps = 256;  // real files have at most a handful
  TRINE_ASSIGN_OR_RETURN(const JsonPart field, part.field("decoders"));
  TRINE_ASSIGN_OR_RETURN(const auto steps, field.items(kMostSteps));
  for (const JsonPart& step : steps) TRINE_RETURN_IF_ERROR(read_decoder(step, decoders));
  return {};
}

}  // namespace trine::input
