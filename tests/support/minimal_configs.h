// The smallest config.json of every family.
#pragma once

#include <map>
#include <string_view>

#include "base/json.h"
#include "models/family.h"

namespace trine::testing_support {

inline Result<ModelSpec> parse_config(const base::Json& config) {
  return models::parse_model_config(base::JsonFields(config, "config.json"));
}

/// The least a config must say: no class has a default for these.
inline base::Json minimal(std::string_view model_type) {
  base::Json config = {{"model_type", model_type}, {"hidden_size", 256},
                       {"vocab_size", 100},        {"num_hidden_layers", 4},
                       {"intermediate_size", 48},  {"num_attention_heads", 64}};
  static const std::map<std::string_view, base::Json> kMore = {
      {"mixtral", {{"num_local_experts", 4}, {"num_experts_per_tok", 2}}},
      {"deepseek",
       {{"n_routed_experts", 8}, {"num_experts_per_tok", 2}, {"moe_intermediate_size", 16}}},
      {"deepseek_v2", {{"n_routed_experts", 8}, {"num_experts_per_tok", 2}}}};
  const auto more = kMore.find(model_type);
  if (more != kMore.end()) config.update(more->second);
  return config;
}

/// `config` with some fields replaced or added.
inline base::Json with(base::Json config, const base::Json& more) {
  config.update(more);
  return config;
}

}  // namespace trine::testing_support
