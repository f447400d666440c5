// The names of the five behaviors, as tokenizer.json spells them.
#include <array>
#include <utility>

#include "input/pre_tokenizers/split.h"

namespace trine::input {

Result<SplitBehavior> read_split_behavior(const JsonPart& part) {
  constexpr std::array<std::pair<std::string_view, SplitBehavior>, 5> kNames = {{
      {"Removed", SplitBehavior::kRemoved},
      {"Isolated", SplitBehavior::kIsolated},
      {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
      {"MergedWithNext", SplitBehavior::kMergedWithNext},
      {"Contiguous", SplitBehavior::kContiguous},
  }};
  TRINE_ASSIGN_OR_RETURN(const JsonPart field, part.field("behavior"));
  TRINE_ASSIGN_OR_RETURN(const std::string_view name, field.string());
  for (const auto& [known, behavior] : kNames) {
    if (name == known) return behavior;
  }
  return field.wrong("Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
}

}  // namespace trine::input
