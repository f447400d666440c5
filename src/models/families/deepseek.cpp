// DeepSeek: fine-grained experts with shared ones, after some dense layers.
// * DeepSeek-MoE: plain multi-head attention, softmax routing. Dai et al. 2024, arXiv:2401.06066.
// * V2, V2-Lite: multi-head latent attention, softmax routing, optionally limited to groups of
//   experts scored by their best. DeepSeek-AI 2024, arXiv:2405.04434.
// * V3, R1: sigmoid routing with a bias that only selects, groups scored by their two best, FP8
//   weights. DeepSeek-AI 2024, arXiv:2412.19437.
#include <cmath>

#include "models/config_reading.h"
#include "models/family.h"
#include "models/layer_building.h"
#include "models/quantization_config.h"
#include "models/rope_scaling.h"

namespace trine::models {
namespace {

struct DeepseekMoeSettings {
  std::size_t layers = 0;
  ExpertCounts counts{};
  std::size_t expert_width = 0, dense_width = 0;
  std::size_t shared_experts = 0;
  std::size_t first_sparse = 0, frequency = 1;
  RouterSpec router{};  ///< everything but the tensors

  [[nodiscard]] bool is_sparse(std::size_t layer) const {
    return layer >= first_sparse && layer % frequency == 0;
  }
};

/// Class defaults that differ between the three; 0: the field is required.
struct MoeDefaults {
  std::int64_t num_experts = 0, experts_per_token = 0;
  std::size_t expert_width = 0;
  std::int64_t shared_experts = 0, first_sparse = 0;
};

Result<DeepseekMoeSettings> read_moe(const base::JsonFields& config,
                                     const MoeDefaults& defaults) {
  DeepseekMoeSettings settings;
  TRINE_ASSIGN_OR_RETURN(settings.layers, read_num_layers(config));
  TRINE_ASSIGN_OR_RETURN(settings.counts,
                         read_expert_counts(config, settings.layers,
                                            {"n_routed_experts", defaults.num_experts,
                                             defaults.experts_per_token}));
  TRINE_ASSIGN_OR_RETURN(
      settings.expert_width,
      defaults.expert_width == 0
          ? read_size(config, "moe_intermediate_size", kMaxWidth)
          : read_size_or(config, "moe_intermediate_size", kMaxWidth, defaults.expert_width));
  TRINE_ASSIGN_OR_RETURN(settings.dense_width,
                         read_size(config, "intermediate_size", kMaxWidth));
  // null means none, absent the class default.
  const bool names_shared = config.json().contains("n_shared_experts");
  TRINE_ASSIGN_OR_RETURN(const auto shared,
                         config.integer_or("n_shared_experts", 0, kMaxExperts,
                                           names_shared ? 0 : defaults.shared_experts));
  settings.shared_experts = static_cast<std::size_t>(shared);
  TRINE_ASSIGN_OR_RETURN(
      const auto first,
      config.integer_or("first_k_dense_replace", 0, kMaxLayers, defaults.first_sparse));
  settings.first_sparse = static_cast<std::size_t>(first);
  TRINE_ASSIGN_OR_RETURN(settings.frequency,
                         read_size_or(config, "moe_layer_freq", kMaxLayers, 1));
  TRINE_ASSIGN_OR_RETURN(settings.router.renormalises,
                         config.boolean_or("norm_topk_prob", false));
  return settings;
}

/// Groups of experts; both numbers must fit the number of experts.
Status read_groups(const base::JsonFields& config, std::size_t groups_absent,
                   std::size_t kept_absent, DeepseekMoeSettings& settings) {
  const std::size_t experts = settings.counts.num_experts;
  RouterSpec& router = settings.router;
  TRINE_ASSIGN_OR_RETURN(router.num_groups,
                         read_size_or(config, "n_group", kMaxExperts, groups_absent));
  TRINE_ASSIGN_OR_RETURN(router.groups_per_token,
                         read_size_or(config, "topk_group", kMaxExperts, kept_absent));
  if (experts % router.num_groups != 0 || router.groups_per_token > router.num_groups ||
      experts / router.num_groups * router.groups_per_token <
          settings.counts.experts_per_token) {
    return fail(ErrorCode::kMalformed,
                "{}: {} experts in {} groups, {} of them for {} experts per token: impossible",
                config.name(), experts, router.num_groups, router.groups_per_token,
                settings.counts.experts_per_token);
  }
  return {};
}

void add_feed_forward(const ModelSpec& spec, const DeepseekMoeSettings& settings,
                      std::size_t index, LayerSpec& layer) {
  const std::string mlp = layer_prefix(index) + ".mlp";
  if (!settings.is_sparse(index)) {
    layer.dense = gated_mlp(mlp, spec.hidden_size, settings.dense_width, MatrixRole::kDense);
    return;
  }
  layer.moe =
      routed_experts(mlp, {settings.counts.num_experts, settings.counts.experts_per_token,
                           spec.hidden_size, settings.expert_width});
  MatrixSpec matrix = layer.moe->router.matrix;
  layer.moe->router = settings.router;
  layer.moe->router.matrix = std::move(matrix);
  layer.moe->router.experts_per_token = settings.counts.experts_per_token;
  if (settings.shared_experts > 0) {
    layer.moe->shared_expert =
        gated_mlp(mlp + ".shared_experts", spec.hidden_size,
                  settings.expert_width * settings.shared_experts, MatrixRole::kSharedExpert);
  }
}

/// The latents' norms keep the class default, whatever rms_norm_eps says.
constexpr double kLatentEps = 1e-6;

struct LatentSettings {
  std::size_t q_rank = 0;  ///< 0: queries come straight from the stream
  LatentSpec latent{};
  double softmax_scale = 0.0;
  bool has_bias = false;
};

Result<LatentSettings> read_latent(const base::JsonFields& config, ModelSpec& spec) {
  LatentSettings settings;
  LatentSpec& latent = settings.latent;
  // null means "no query latent" (V2-Lite), absent the class default.
  if (config.has("q_lora_rank") || !config.json().contains("q_lora_rank")) {
    TRINE_ASSIGN_OR_RETURN(settings.q_rank,
                           read_size_or(config, "q_lora_rank", kMaxWidth, 1536));
  }
  TRINE_ASSIGN_OR_RETURN(latent.kv_lora_rank,
                         read_size_or(config, "kv_lora_rank", kMaxWidth, 512));
  TRINE_ASSIGN_OR_RETURN(latent.qk_nope_head_dim,
                         read_size_or(config, "qk_nope_head_dim", kMaxWidth, 128));
  TRINE_ASSIGN_OR_RETURN(latent.qk_rope_head_dim,
                         read_size_or(config, "qk_rope_head_dim", kMaxWidth, 64));
  TRINE_ASSIGN_OR_RETURN(spec.v_head_dim, read_size_or(config, "v_head_dim", kMaxWidth, 128));
  if (latent.qk_rope_head_dim % 2 != 0) {
    return fail(ErrorCode::kMalformed, "{}: qk_rope_head_dim {} is odd, expected pairs",
                config.name(), latent.qk_rope_head_dim);
  }
  spec.head_dim = latent.qk_nope_head_dim + latent.qk_rope_head_dim;
  spec.num_key_value_heads = spec.num_attention_heads;
  TRINE_ASSIGN_OR_RETURN(
      spec.rope, read_rope(config, latent.qk_rope_head_dim, 1e4, spec.max_position_embeddings));
  spec.rope.is_interleaved = true;
  TRINE_ASSIGN_OR_RETURN(settings.has_bias, config.boolean_or("attention_bias", false));
  TRINE_ASSIGN_OR_RETURN(const double stretch, read_latent_scale(config));
  settings.softmax_scale = stretch / std::sqrt(static_cast<double>(spec.head_dim));
  return settings;
}

AttentionSpec latent_attention(const ModelSpec& spec, const LatentSettings& settings,
                               std::size_t index) {
  const std::string prefix = layer_prefix(index) + ".self_attn.";
  const auto matrix = [&](const char* name, std::size_t out, std::size_t in, MatrixRole role) {
    return matrix_spec(prefix + name + ".weight", out, in, role);
  };
  const std::size_t hidden = spec.hidden_size;
  const std::size_t heads = spec.num_attention_heads;
  AttentionSpec attention{.softmax_scale = settings.softmax_scale};
  LatentSpec latent = settings.latent;
  if (settings.q_rank > 0) {
    latent.q_a_proj = matrix("q_a_proj", settings.q_rank, hidden, MatrixRole::kLatent);
    latent.q_a_norm = rms_norm_spec(prefix + "q_a_layernorm", settings.q_rank);
    latent.q_a_norm.eps = kLatentEps;
    attention.q_proj =
        matrix("q_b_proj", heads * spec.head_dim, settings.q_rank, MatrixRole::kAttention);
  } else {
    attention.q_proj = matrix("q_proj", heads * spec.head_dim, hidden, MatrixRole::kAttention);
  }
  latent.kv_a_proj = matrix("kv_a_proj_with_mqa", latent.kv_lora_rank + latent.qk_rope_head_dim,
                            hidden, MatrixRole::kLatent);
  latent.kv_a_norm = rms_norm_spec(prefix + "kv_a_layernorm", latent.kv_lora_rank);
  latent.kv_a_norm.eps = kLatentEps;
  latent.kv_b_proj = matrix("kv_b_proj", heads * (latent.qk_nope_head_dim + spec.v_head_dim),
                            latent.kv_lora_rank, MatrixRole::kAttention);
  attention.o_proj = matrix("o_proj", hidden, heads * spec.v_head_dim, MatrixRole::kAttention);
  if (settings.has_bias) {
    if (settings.q_rank > 0) add_bias(latent.q_a_proj);
    add_bias(latent.kv_a_proj);
    add_bias(attention.o_proj);
  }
  attention.latent = std::move(latent);
  return attention;
}

/// Every linear weight of an FP8 release has its factors beside it; the router is left alone.
void mark_fp8(LayerSpec& layer) {
  const auto mark = [](MatrixSpec& matrix) {
    if (!matrix.exists()) return;
    matrix.stored.encoding = Encoding::kFp8Blocks;
    matrix.stored.scales = matrix.name + "_scale_inv";
  };
  const auto mark_expert = [&](ExpertSpec& expert) {
    for (MatrixSpec* matrix : {&expert.gate_proj, &expert.up_proj, &expert.down_proj}) {
      mark(*matrix);
    }
  };
  mark(layer.attention.q_proj);
  mark(layer.attention.o_proj);
  mark(layer.attention.latent->q_a_proj);
  mark(layer.attention.latent->kv_a_proj);
  mark(layer.attention.latent->kv_b_proj);
  if (layer.dense) mark_expert(*layer.dense);
  if (!layer.moe) return;
  for (ExpertSpec& expert : layer.moe->experts) mark_expert(expert);
  if (layer.moe->shared_expert) mark_expert(*layer.moe->shared_expert);
}

}  // namespace

Result<ModelSpec> parse_deepseek(const base::JsonFields& config) {
  TRINE_ASSIGN_OR_RETURN(ModelSpec spec,
                         read_decoder(config, "deepseek", {.num_key_value_heads = 32}));
  TRINE_ASSIGN_OR_RETURN(const DeepseekMoeSettings settings, read_moe(config, {}));
  TRINE_ASSIGN_OR_RETURN(const bool has_bias, config.boolean_or("attention_bias", false));
  for (std::size_t index = 0; index < settings.layers; ++index) {
    LayerSpec layer = decoder_layer(spec, index);
    if (has_bias) {
      for (MatrixSpec* matrix : {&layer.attention.q_proj, &layer.attention.k_proj,
                                 &layer.attention.v_proj, &layer.attention.o_proj}) {
        add_bias(*matrix);
      }
    }
    add_feed_forward(spec, settings, index, layer);
    spec.layers.push_back(std::move(layer));
  }
  return spec;
}

Result<ModelSpec> parse_deepseek_v2(const base::JsonFields& config) {
  TRINE_ASSIGN_OR_RETURN(ModelSpec spec, read_decoder(config, "deepseek_v2", {.head_dim = 2}));
  TRINE_ASSIGN_OR_RETURN(const LatentSettings latent, read_latent(config, spec));
  TRINE_ASSIGN_OR_RETURN(DeepseekMoeSettings settings,
                         read_moe(config, {.expert_width = 1407, .shared_experts = 2}));
  TRINE_ASSIGN_OR_RETURN(const double factor,
                         config.number_or("routed_scaling_factor", 0.0, 1e6, 1.0));
  // Original code: weights are renormalised instead of scaled, never both.
  if (!settings.router.renormalises) settings.router.scaling_factor = factor;
  TRINE_ASSIGN_OR_RETURN(const auto method, config.string_or("topk_method", "greedy"));
  if (method == "group_limited_greedy") {
    TRINE_RETURN_IF_ERROR(read_groups(config, 1, 1, settings));
  } else if (method != "greedy") {
    return fail(ErrorCode::kUnsupported,
                "{}: topk_method is \"{}\", expected \"greedy\" or \"group_limited_greedy\"",
                config.name(), method);
  }
  for (std::size_t index = 0; index < settings.layers; ++index) {
    LayerSpec layer = decoder_layer(spec, index);
    layer.attention = latent_attention(spec, latent, index);
    add_feed_forward(spec, settings, index, layer);
    spec.layers.push_back(std::move(layer));
  }
  return spec;
}

Result<ModelSpec> parse_deepseek_v3(const base::JsonFields& config) {
  TRINE_ASSIGN_OR_RETURN(
      ModelSpec spec,
      read_decoder(config, "deepseek_v3", {.head_dim = 2, .max_position_embeddings = 4096}));
  TRINE_ASSIGN_OR_RETURN(const LatentSettings latent, read_latent(config, spec));
  TRINE_ASSIGN_OR_RETURN(spec.rope.is_interleaved, config.boolean_or("rope_interleave", true));
  TRINE_ASSIGN_OR_RETURN(DeepseekMoeSettings settings, read_moe(config, {.num_experts = 256,
                                                                         .experts_per_token = 8,
                                                                         .expert_width = 2048,
                                                                         .shared_experts = 1,
                                                                         .first_sparse = 3}));
  RouterSpec& router = settings.router;
  router.rule = RoutingRule::kSigmoidBiased;
  router.group_score = GroupScore::kTopTwoSum;
  TRINE_RETURN_IF_ERROR(read_groups(config, 8, 4, settings));
  TRINE_ASSIGN_OR_RETURN(router.scaling_factor,
                         config.number_or("routed_scaling_factor", 0.0, 1e6, 2.5));
  TRINE_ASSIGN_OR_RETURN(router.renormalises, config.boolean_or("norm_topk_prob", true));
  TRINE_ASSIGN_OR_RETURN(const auto method, source_quant_method(config));
  for (std::size_t index = 0; index < settings.layers; ++index) {
    LayerSpec layer = decoder_layer(spec, index);
    layer.attention = latent_attention(spec, latent, index);
    add_feed_forward(spec, settings, index, layer);
    if (layer.moe) {
      layer.moe->router.selection_bias = {
          .name = layer_prefix(index) + ".mlp.gate.e_score_correction_bias",
          .size = settings.counts.num_experts};
    }
    if (method == "fp8") mark_fp8(layer);
    spec.layers.push_back(std::move(layer));
  }
  return spec;
}

}  // namespace trine::models
