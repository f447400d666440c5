// Phi-3.5-MoE: layer norms with bias, biases on attention and head, LongRoPE, and SparseMixer
// routing: two experts, each weighted by a softmax over the experts near its own score.
// Source: Abdin et al. 2024, arXiv:2404.14219; Liu et al. 2023, arXiv:2310.00811.
#include "models/config_reading.h"
#include "models/family.h"
#include "models/layer_building.h"

namespace trine::models {

MoeSpec mixtral_experts(const std::string& prefix, const ExpertsShape& shape);

Result<ModelSpec> parse_phimoe(const base::JsonFields& config) {
  TRINE_ASSIGN_OR_RETURN(ModelSpec spec, read_decoder(config, "phimoe",
                                                      {.num_key_value_heads = 8,
                                                       .max_position_embeddings = 4096 * 32,
                                                       .norm_eps = 1e-5,
                                                       .rope_theta = 1e6}));
  TRINE_ASSIGN_OR_RETURN(const bool attention_bias, config.boolean_or("attention_bias", false));
  TRINE_ASSIGN_OR_RETURN(const bool head_bias, config.boolean_or("lm_head_bias", false));
  TRINE_ASSIGN_OR_RETURN(const double jitter,
                         config.number_or("router_jitter_noise", 0.0, 1.0, 0.01));
  TRINE_ASSIGN_OR_RETURN(const std::size_t layers, read_num_layers(config));
  TRINE_ASSIGN_OR_RETURN(const ExpertCounts counts,
                         read_expert_counts(config, layers,
                                            {.num_experts = "num_local_experts",
                                             .num_experts_absent = 16,
                                             .experts_per_token_absent = 2}));
  TRINE_ASSIGN_OR_RETURN(const std::size_t width,
                         read_size(config, "intermediate_size", kMaxWidth));
  if (counts.experts_per_token != 2) {
    return fail(ErrorCode::kUnsupported, "{}: num_experts_per_tok is {}, SparseMixer chooses 2",
                config.name(), counts.experts_per_token);
  }
  const bool slides = config.has("sliding_window");
  TRINE_ASSIGN_OR_RETURN(const auto windows,
                         read_windows(config, layers, slides ? 0 : layers, 4096));
  spec.final_norm = layer_norm_spec("model.norm", spec.hidden_size);
  if (head_bias) {
    spec.lm_head.bias = {.name = "lm_head.bias", .size = spec.vocab_size};
  }
  for (std::size_t index = 0; index < layers; ++index) {
    LayerSpec layer = decoder_layer(spec, index);
    const std::string prefix = layer_prefix(index);
    layer.input_norm = layer_norm_spec(prefix + ".input_layernorm", spec.hidden_size);
    layer.post_attention_norm =
        layer_norm_spec(prefix + ".post_attention_layernorm", spec.hidden_size);
    layer.attention.sliding_window = windows[index];
    if (attention_bias) {
      for (MatrixSpec* matrix : {&layer.attention.q_proj, &layer.attention.k_proj,
                                 &layer.attention.v_proj, &layer.attention.o_proj}) {
        add_bias(*matrix);
      }
    }
    layer.moe = mixtral_experts(prefix + ".block_sparse_moe",
                                {counts.num_experts, 2, spec.hidden_size, width});
    layer.moe->router.rule = RoutingRule::kSparseMixer;
    layer.moe->router.jitter = jitter;
    spec.layers.push_back(std::move(layer));
  }
  return spec;
}

}  // namespace trine::models
