// Mixtral: every layer is grouped-query attention and a Mixture of Experts, no biases.
// Router: softmax over all experts in fp32, the best k, renormalised to sum 1.
// Source: Jiang et al. 2024, arXiv:2401.04088; tensor names as in the released checkpoints,
// where w1, w3, w2 are gate_proj, up_proj, down_proj.
#include <fmt/format.h>

#include "models/config_reading.h"
#include "models/family.h"
#include "models/layer_building.h"

namespace trine::models {

MoeSpec mixtral_experts(const std::string& prefix, const ExpertsShape& shape) {
  MoeSpec moe = routed_experts(prefix, shape);
  for (std::size_t index = 0; index < shape.num_experts; ++index) {
    const std::string expert = fmt::format("{}.experts.{}", prefix, index);
    moe.experts[index].gate_proj.name = expert + ".w1.weight";
    moe.experts[index].up_proj.name = expert + ".w3.weight";
    moe.experts[index].down_proj.name = expert + ".w2.weight";
  }
  return moe;
}

Result<ModelSpec> parse_mixtral(const base::JsonFields& config) {
  constexpr ConfigDefaults kDefaults{.num_key_value_heads = 8,
                                     .max_position_embeddings = 4096 * 32,
                                     .norm_eps = 1e-5,
                                     .rope_theta = 1e6};
  TRINE_ASSIGN_OR_RETURN(ModelSpec spec, read_decoder(config, "mixtral", kDefaults));
  TRINE_ASSIGN_OR_RETURN(const std::size_t layers, read_num_layers(config));
  TRINE_ASSIGN_OR_RETURN(
      const ExpertCounts counts,
      read_expert_counts(config, layers, {.num_experts = "num_local_experts"}));
  TRINE_ASSIGN_OR_RETURN(const std::size_t width,
                         read_size(config, "intermediate_size", kMaxWidth));
  const bool slides = config.has("sliding_window");
  TRINE_ASSIGN_OR_RETURN(const auto windows,
                         read_windows(config, layers, slides ? 0 : layers, 4096));
  for (std::size_t index = 0; index < layers; ++index) {
    LayerSpec layer = decoder_layer(spec, index);
    layer.attention.sliding_window = windows[index];
    layer.moe = mixtral_experts(
        layer_prefix(index) + ".block_sparse_moe",
        {counts.num_experts, counts.experts_per_token, spec.hidden_size, width});
    layer.moe->router.renormalises = true;
    spec.layers.push_back(std::move(layer));
  }
  return spec;
}

}  // namespace trine::models
