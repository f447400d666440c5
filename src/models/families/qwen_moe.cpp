// Qwen2-MoE (also Qwen1.5-MoE) and Qwen3-MoE: some layers dense, most with experts; the former
// with a gated shared expert and q/k/v biases, the latter with query/key norms per head.
// Router: softmax over all, best k, renormalised only if norm_topk_prob.
// Sources: Yang et al. 2024, arXiv:2407.10671; Qwen team 2025, arXiv:2505.09388.
#include <algorithm>

#include "models/config_reading.h"
#include "models/family.h"
#include "models/layer_building.h"

namespace trine::models {
namespace {

/// Sizes and switches both share.
struct QwenMoeSettings {
  std::size_t layers = 0;
  ExpertCounts counts{};
  std::size_t expert_width = 0;
  std::size_t dense_width = 0;
  std::size_t sparse_step = 1;
  std::vector<std::size_t> dense_layers{};
  bool renormalises = false;
  std::vector<std::optional<std::size_t>> windows{};  ///< filled by the family

  [[nodiscard]] bool is_sparse(std::size_t layer) const {
    const bool listed =
        std::find(dense_layers.begin(), dense_layers.end(), layer) != dense_layers.end();
    return !listed && (layer + 1) % sparse_step == 0;
  }
};

Result<QwenMoeSettings> read_settings(const base::JsonFields& config,
                                      const ExpertFields& fields, std::size_t width_absent,
                                      std::size_t dense_absent) {
  QwenMoeSettings settings;
  TRINE_ASSIGN_OR_RETURN(settings.layers, read_num_layers(config));
  TRINE_ASSIGN_OR_RETURN(settings.counts, read_expert_counts(config, settings.layers, fields));
  TRINE_ASSIGN_OR_RETURN(settings.expert_width, read_size_or(config, "moe_intermediate_size",
                                                             kMaxWidth, width_absent));
  TRINE_ASSIGN_OR_RETURN(settings.dense_width,
                         read_size_or(config, "intermediate_size", kMaxWidth, dense_absent));
  TRINE_ASSIGN_OR_RETURN(settings.sparse_step,
                         read_size_or(config, "decoder_sparse_step", kMaxLayers, 1));
  TRINE_ASSIGN_OR_RETURN(settings.dense_layers, read_indices(config, "mlp_only_layers"));
  TRINE_ASSIGN_OR_RETURN(settings.renormalises, config.boolean_or("norm_topk_prob", false));
  return settings;
}

LayerSpec build_layer(const ModelSpec& spec, const QwenMoeSettings& settings,
                      std::size_t index) {
  LayerSpec layer = decoder_layer(spec, index);
  layer.attention.sliding_window = settings.windows[index];
  const std::string mlp = layer_prefix(index) + ".mlp";
  if (!settings.is_sparse(index)) {
    layer.dense = gated_mlp(mlp, spec.hidden_size, settings.dense_width, MatrixRole::kDense);
    return layer;
  }
  layer.moe =
      routed_experts(mlp, {settings.counts.num_experts, settings.counts.experts_per_token,
                           spec.hidden_size, settings.expert_width});
  layer.moe->router.renormalises = settings.renormalises;
  return layer;
}

/// Which layers have a window. Without layer_types Qwen3-MoE means all of them; code for Qwen2-MoE
/// disagrees with itself (layers before or from max_window_layers on), so nothing is guessed.
Status read_moe_windows(const base::JsonFields& config, bool all_slide,
                        QwenMoeSettings& settings) {
  TRINE_ASSIGN_OR_RETURN(const bool slides, config.boolean_or("use_sliding_window", false));
  settings.windows.assign(settings.layers, std::nullopt);
  if (!slides) return {};
  if (!all_slide && !config.has("layer_types")) {
    return fail(ErrorCode::kUnsupported,
                "{}: use_sliding_window is true without layer_types, which has two readings; "
                "add layer_types to say which layers slide",
                config.name());
  }
  TRINE_ASSIGN_OR_RETURN(settings.windows, read_windows(config, settings.layers, 0, 4096));
  return {};
}

}  // namespace

Result<ModelSpec> parse_qwen2_moe(const base::JsonFields& config) {
  TRINE_ASSIGN_OR_RETURN(ModelSpec spec, read_decoder(config, "qwen2_moe",
                                                      {.num_key_value_heads = 16,
                                                       .max_position_embeddings = 32768}));
  TRINE_ASSIGN_OR_RETURN(
      QwenMoeSettings settings,
      read_settings(config, {.num_experts_absent = 60, .experts_per_token_absent = 4}, 1408,
                    5632));
  TRINE_RETURN_IF_ERROR(read_moe_windows(config, false, settings));
  TRINE_ASSIGN_OR_RETURN(
      const std::size_t shared_width,
      read_size_or(config, "shared_expert_intermediate_size", kMaxWidth, 5632));
  TRINE_ASSIGN_OR_RETURN(const bool bias, config.boolean_or("qkv_bias", true));
  for (std::size_t index = 0; index < settings.layers; ++index) {
    LayerSpec layer = build_layer(spec, settings, index);
    if (layer.moe) {
      const std::string mlp = layer_prefix(index) + ".mlp";
      layer.moe->shared_expert = gated_mlp(mlp + ".shared_expert", spec.hidden_size,
                                           shared_width, MatrixRole::kSharedExpert);
      layer.moe->shared_expert_gate = matrix_spec(mlp + ".shared_expert_gate.weight", 1,
                                                  spec.hidden_size, MatrixRole::kRouter);
    }
    if (bias) {
      for (MatrixSpec* matrix :
           {&layer.attention.q_proj, &layer.attention.k_proj, &layer.attention.v_proj}) {
        add_bias(*matrix);
      }
    }
    spec.layers.push_back(std::move(layer));
  }
  return spec;
}

Result<ModelSpec> parse_qwen3_moe(const base::JsonFields& config) {
  TRINE_ASSIGN_OR_RETURN(ModelSpec spec, read_decoder(config, "qwen3_moe",
                                                      {.num_key_value_heads = 4,
                                                       .max_position_embeddings = 32768}));
  TRINE_ASSIGN_OR_RETURN(
      QwenMoeSettings settings,
      read_settings(
          config,
          {.num_experts = config.has("num_experts") ? "num_experts" : "num_local_experts",
           .num_experts_absent = 128,
           .experts_per_token_absent = 8},
          768, 6144));
  TRINE_RETURN_IF_ERROR(read_moe_windows(config, true, settings));
  TRINE_ASSIGN_OR_RETURN(const bool bias, config.boolean_or("attention_bias", false));
  for (std::size_t index = 0; index < settings.layers; ++index) {
    LayerSpec layer = build_layer(spec, settings, index);
    AttentionSpec& attention = layer.attention;
    const std::string prefix = layer_prefix(index) + ".self_attn";
    attention.q_norm = rms_norm_spec(prefix + ".q_norm", spec.head_dim);
    attention.k_norm = rms_norm_spec(prefix + ".k_norm", spec.head_dim);
    if (bias) {
      for (MatrixSpec* matrix :
           {&attention.q_proj, &attention.k_proj, &attention.v_proj, &attention.o_proj}) {
        add_bias(*matrix);
      }
    }
    spec.layers.push_back(std::move(layer));
  }
  return spec;
}

}  // namespace trine::models
