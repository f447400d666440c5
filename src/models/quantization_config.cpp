#include "models/quantization_config.h"

namespace trine::models {

Result<std::string> source_quant_method(const base::JsonFields& config) {
  if (!config.has("quantization_config")) return std::string();
  TRINE_ASSIGN_OR_RETURN(const auto outer, config.object("quantization_config"));
  TRINE_ASSIGN_OR_RETURN(auto method, outer.string_or("quant_method", ""));
  if (method != "trine") return method;
  if (!outer.has("source")) return std::string();
  TRINE_ASSIGN_OR_RETURN(const auto source, outer.object("source"));
  return source.string_or("quant_method", "");
}

}  // namespace trine::models
