// {"type": "Sequence", "normalizers": […]}: one after the other.
#include "input/normalizers/normalizer.h"

namespace trine::input {

Status read_sequence_normalizer(const JsonPart& part, Normalizers& normalizers) {
  constexpr std::size_t kMostSteps = 256;  // real files have at most a handful
  TRINE_ASSIGN_OR_RETURN(const JsonPart field, part.field("normalizers"));
  TRINE_ASSIGN_OR_RETURN(const auto steps, field.items(kMostSteps));
  for (const JsonPart& step : steps) {
    TRINE_RETURN_IF_ERROR(read_normalizer(step, normalizers));
  }
  return {};
}

}  // namespace trine::input
