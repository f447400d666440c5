// The one list of families. To add one: write families/<name>.cpp, declare its parser and add
// its row here. Nothing else changes.
#include <array>

#include "models/family.h"

namespace trine::models {

ParseConfig parse_deepseek;
ParseConfig parse_deepseek_v2;
ParseConfig parse_deepseek_v3;
ParseConfig parse_gpt_oss;
ParseConfig parse_granite_moe;
ParseConfig parse_llama;
ParseConfig parse_mixtral;
ParseConfig parse_olmoe;
ParseConfig parse_phimoe;
ParseConfig parse_qwen2;
ParseConfig parse_qwen2_moe;
ParseConfig parse_qwen3;
ParseConfig parse_qwen3_moe;
ParseConfig parse_switch_transformers;

namespace {

constexpr std::array kFamilies = {
    Family{"deepseek", "DeepseekForCausalLM", parse_deepseek},
    Family{"deepseek_v2", "DeepseekV2ForCausalLM", parse_deepseek_v2},
    Family{"deepseek_v3", "DeepseekV3ForCausalLM", parse_deepseek_v3},
    Family{"gpt_oss", "GptOssForCausalLM", parse_gpt_oss},
    Family{"granitemoe", "GraniteMoeForCausalLM", parse_granite_moe},
    Family{"llama", "LlamaForCausalLM", parse_llama},
    Family{"mixtral", "MixtralForCausalLM", parse_mixtral},
    Family{"olmoe", "OlmoeForCausalLM", parse_olmoe},
    Family{"phimoe", "PhiMoEForCausalLM", parse_phimoe},
    Family{"qwen2", "Qwen2ForCausalLM", parse_qwen2},
    Family{"qwen2_moe", "Qwen2MoeForCausalLM", parse_qwen2_moe},
    Family{"qwen3", "Qwen3ForCausalLM", parse_qwen3},
    Family{"qwen3_moe", "Qwen3MoeForCausalLM", parse_qwen3_moe},
    Family{"switch_transformers", "SwitchTransformersForConditionalGeneration",
           parse_switch_transformers},
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
