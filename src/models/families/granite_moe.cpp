// Granite-MoE: experts stacked in one tensor per layer, four multipliers, tied embeddings.
// Router: the best k logits, softmax over those. Source: IBM Granite 3.0 technical report, 2024.
#include "models/config_reading.h"
#include "models/family.h"
#include "models/layer_building.h"

namespace trine::models {

Result<ModelSpec> parse_granite_moe(const base::JsonFields& config) {
  TRINE_ASSIGN_OR_RETURN(ModelSpec spec, read_decoder(config, "granitemoe", {}));
  constexpr double kLargest = 1e6;
  TRINE_ASSIGN_OR_RETURN(spec.embedding_multiplier,
                         config.number_or("embedding_multiplier", 0.0, kLargest, 1.0));
  TRINE_ASSIGN_OR_RETURN(spec.residual_multiplier,
                         config.number_or("residual_multiplier", 0.0, kLargest, 1.0));
  TRINE_ASSIGN_OR_RETURN(spec.logits_divisor,
                         config.number_or("logits_scaling", 1e-6, kLargest, 1.0));
  TRINE_ASSIGN_OR_RETURN(const double attention_multiplier,
                         config.number_or("attention_multiplier", 0.0, kLargest, 1.0));
  TRINE_ASSIGN_OR_RETURN(const bool bias, config.boolean_or("attention_bias", false));
  TRINE_ASSIGN_OR_RETURN(const std::size_t layers, read_num_layers(config));
  TRINE_ASSIGN_OR_RETURN(const ExpertCounts counts,
                         read_expert_counts(config, layers,
                                            {.num_experts = "num_local_experts",
                                             .num_experts_absent = 8,
                                             .experts_per_token_absent = 2}));
  TRINE_ASSIGN_OR_RETURN(const std::size_t width,
                         read_size(config, "intermediate_size", kMaxWidth));
  for (std::size_t index = 0; index < layers; ++index) {
    LayerSpec layer = decoder_layer(spec, index);
    layer.attention.softmax_scale = attention_multiplier;
    if (bias) {
      for (MatrixSpec* matrix : {&layer.attention.q_proj, &layer.attention.k_proj,
                                 &layer.attention.v_proj, &layer.attention.o_proj}) {
        add_bias(*matrix);
      }
    }
    const std::string moe = layer_prefix(index) + ".block_sparse_moe";
    layer.moe = routed_experts(
        moe, {counts.num_experts, counts.experts_per_token, spec.hidden_size, width});
    layer.moe->router.matrix.name = moe + ".router.layer.weight";
    layer.moe->router.rule = RoutingRule::kTopKSoftmax;
    for (std::size_t expert = 0; expert < counts.num_experts; ++expert) {
      stack_expert(layer.moe->experts[expert], expert, counts.num_experts,
                   moe + ".input_linear.weight", moe + ".output_linear.weight");
    }
    spec.layers.push_back(std::move(layer));
  }
  return spec;
}

}  // namespace trine::models
