// The one list of families. To add one: write families/<name>.cpp, declare its parser and add
// its row here. Nothing else changes.
#include <array>

#include "models/family.h"

namespace trine::models {

ParseConfig parse_mixtral;

namespace {

constexpr std::array kFamilies = {
    Family{"mixtral", "MixtralForCausalLM", parse_mixtral},
};

std::string known_families() {
  std::string list;
  for (const Family& family : kFamilies) {
    if (!list.empty()) list += ", ";
    list += family.model_type;
  }
  return list;
}

}  // namespace

std::span<const Family> families() noexcept { return kFamilies; }

Result<ModelSpec> parse_model_config(const base::JsonFields& config) {
  TRINE_ASSIGN_OR_RETURN(const std::string model_type, config.string("model_type"));
  for (const Family& family : kFamilies) {
    if (family.model_type == model_type) return family.parse(config);
  }
  return fail(ErrorCode::kUnsupported,
              "{}: field \"model_type\" is \"{}\", which Trine does not know; known: {}",
              config.name(), model_type, known_families());
}

}  // namespace trine::models
