// OLMoE: experts in every layer; queries and keys are normalised over the whole projection before
// the heads are split, then optionally clipped. Router: softmax, best k, renormalised only if
// norm_topk_prob. Source: Muennighoff et al. 2024, arXiv:2409.02060.
#include "models/config_reading.h"
#include "models/family.h"
#include "models/layer_building.h"

namespace trine::models {

Result<ModelSpec> parse_olmoe(const base::JsonFields& config) {
  TRINE_ASSIGN_OR_RETURN(
      ModelSpec spec,
      read_decoder(config, "olmoe", {.max_position_embeddings = 4096, .norm_eps = 1e-5}));
  TRINE_ASSIGN_OR_RETURN(const std::size_t layers, read_num_layers(config));
  TRINE_ASSIGN_OR_RETURN(
      const ExpertCounts counts,
      read_expert_counts(config, layers,
                         {.num_experts_absent = 64, .experts_per_token_absent = 8}));
  TRINE_ASSIGN_OR_RETURN(const std::size_t width,
                         read_size_or(config, "intermediate_size", kMaxWidth, 2048));
  TRINE_ASSIGN_OR_RETURN(const bool renormalises, config.boolean_or("norm_topk_prob", false));
  TRINE_ASSIGN_OR_RETURN(const bool bias, config.boolean_or("attention_bias", false));
  std::optional<double> clip;
  if (config.has("clip_qkv")) {
    TRINE_ASSIGN_OR_RETURN(clip, config.number("clip_qkv", 1e-6, 1e9));
  }
  for (std::size_t index = 0; index < layers; ++index) {
    LayerSpec layer = decoder_layer(spec, index);
    AttentionSpec& attention = layer.attention;
    const std::string prefix = layer_prefix(index);
    attention.q_norm =
        rms_norm_spec(prefix + ".self_attn.q_norm", attention.q_proj.out_features);
    attention.k_norm =
        rms_norm_spec(prefix + ".self_attn.k_norm", attention.k_proj.out_features);
    attention.norm_is_per_head = false;
    attention.clip_qkv = clip;
    if (bias) {
      for (MatrixSpec* matrix :
           {&attention.q_proj, &attention.k_proj, &attention.v_proj, &attention.o_proj}) {
        add_bias(*matrix);
      }
    }
    layer.moe = routed_experts(prefix + ".mlp", {counts.num_experts, counts.experts_per_token,
                                                 spec.hidden_size, width});
    layer.moe->router.renormalises = renormalises;
    spec.layers.push_back(std::move(layer));
  }
  return spec;
}

}  // namespace trine::models
