// Mixtral: every layer is grouped-query attention and a Mixture of Experts, no biases.
// Router: softmax over all experts in fp32, the best k, renormalised to sum 1.
// Source: Jiang et al. 2024, arXiv:2401.04088; tensor names as in the released checkpoints,
// where w1, w3, w2 are gate_proj, up_proj, down_proj.
#include <fmt/format.h>

#include <algorithm>

#include "models/config_reading.h"
#include "models/family.h"

namespace trine::models {
namespace {

struct Sizes {
  std::size_t hidden = 0, intermediate = 0, layers = 0, experts = 0, query = 0, key_value = 0;
};

AttentionSpec attention_spec(const std::string& layer, const Sizes& sizes) {
  const auto matrix = [&](const char* name, std::size_t out, std::size_t in) {
    return MatrixSpec{fmt::format("{}.self_attn.{}.weight", layer, name), out, in,
                      MatrixRole::kAttention};
  };
  return {.q_proj = matrix("q_proj", sizes.query, sizes.hidden),
          .k_proj = matrix("k_proj", sizes.key_value, sizes.hidden),
          .v_proj = matrix("v_proj", sizes.key_value, sizes.hidden),
          .o_proj = matrix("o_proj", sizes.hidden, sizes.query)};
}

ExpertSpec expert_spec(const std::string& layer, std::size_t expert, const Sizes& sizes) {
  const auto matrix = [&](const char* name, std::size_t out, std::size_t in) {
    return MatrixSpec{
        fmt::format("{}.block_sparse_moe.experts.{}.{}.weight", layer, expert, name), out, in,
        MatrixRole::kExpert};
  };
  return {.gate_proj = matrix("w1", sizes.intermediate, sizes.hidden),
          .up_proj = matrix("w3", sizes.intermediate, sizes.hidden),
          .down_proj = matrix("w2", sizes.hidden, sizes.intermediate)};
}

LayerSpec layer_spec(std::size_t index, const Sizes& sizes) {
  const std::string layer = fmt::format("model.layers.{}", index);
  LayerSpec spec{.input_norm = layer + ".input_layernorm.weight",
                 .post_attention_norm = layer + ".post_attention_layernorm.weight",
                 .attention = attention_spec(layer, sizes)};
  spec.moe.router = {layer + ".block_sparse_moe.gate.weight", sizes.experts, sizes.hidden,
                     MatrixRole::kRouter};
  for (std::size_t expert = 0; expert < sizes.experts; ++expert) {
    spec.moe.experts.push_back(expert_spec(layer, expert, sizes));
  }
  return spec;
}

/// Head counts and width: they must divide and pair up.
Status read_attention_shape(const base::JsonFields& config, ModelSpec& spec) {
  TRINE_ASSIGN_OR_RETURN(const auto heads, config.integer("num_attention_heads", 1, kMaxWidth));
  // An absent field means the class default, 8; null means one key/value head per query head.
  const bool is_absent = !config.json().contains("num_key_value_heads");
  TRINE_ASSIGN_OR_RETURN(
      const auto key_value_heads,
      config.integer_or("num_key_value_heads", 1, heads,
                        is_absent ? std::min<std::int64_t>(heads, 8) : heads));
  if (heads % key_value_heads != 0) {
    return fail(ErrorCode::kMalformed,
                "{}: num_attention_heads {} is not a multiple of num_key_value_heads {}",
                config.name(), heads, key_value_heads);
  }
  const auto hidden = static_cast<std::int64_t>(spec.hidden_size);
  if (!config.has("head_dim") && hidden % heads != 0) {
    return fail(
        ErrorCode::kMalformed,
        "{}: hidden_size {} is not a multiple of num_attention_heads {} and there is no "
        "head_dim",
        config.name(), hidden, heads);
  }
  TRINE_ASSIGN_OR_RETURN(const auto head_dim,
                         config.integer_or("head_dim", 2, kMaxWidth, hidden / heads));
  if (head_dim % 2 != 0) {
    return fail(ErrorCode::kMalformed, "{}: head_dim {} is odd, rotary embedding needs pairs",
                config.name(), head_dim);
  }
  spec.num_attention_heads = static_cast<std::size_t>(heads);
  spec.num_key_value_heads = static_cast<std::size_t>(key_value_heads);
  spec.head_dim = static_cast<std::size_t>(head_dim);
  return {};
}

/// Everything but the layers.
Result<ModelSpec> read_model(const base::JsonFields& config) {
  ModelSpec spec{.family = "mixtral"};
  TRINE_ASSIGN_OR_RETURN(const auto hidden, config.integer("hidden_size", 1, kMaxWidth));
  spec.hidden_size = static_cast<std::size_t>(hidden);
  TRINE_ASSIGN_OR_RETURN(const auto vocabulary,
                         config.integer("vocab_size", 1, kMaxVocabulary));
  spec.vocab_size = static_cast<std::size_t>(vocabulary);
  TRINE_ASSIGN_OR_RETURN(const auto positions, config.integer_or("max_position_embeddings", 1,
                                                                 kMaxPositions, 4096 * 32));
  spec.max_position_embeddings = static_cast<std::size_t>(positions);
  TRINE_ASSIGN_OR_RETURN(spec.rms_norm_eps, config.number_or("rms_norm_eps", 0.0, 1.0, 1e-5));
  TRINE_ASSIGN_OR_RETURN(spec.rope_theta, read_rope_theta(config, 1e6));
  TRINE_RETURN_IF_ERROR(require_silu(config));
  TRINE_RETURN_IF_ERROR(read_attention_shape(config, spec));
  if (config.has("sliding_window")) {
    TRINE_ASSIGN_OR_RETURN(const auto window,
                           config.integer("sliding_window", 1, kMaxPositions));
    spec.sliding_window = static_cast<std::size_t>(window);
  }
  spec.embed_tokens = {"model.embed_tokens.weight", spec.vocab_size, spec.hidden_size,
                       MatrixRole::kEmbedding};
  spec.final_norm = "model.norm.weight";
  spec.lm_head = {"lm_head.weight", spec.vocab_size, spec.hidden_size, MatrixRole::kHead};
  TRINE_ASSIGN_OR_RETURN(const bool tied, config.boolean_or("tie_word_embeddings", false));
  if (tied) spec.lm_head.name = spec.embed_tokens.name;
  return spec;
}

}  // namespace

Result<ModelSpec> parse_mixtral(const base::JsonFields& config) {
  TRINE_ASSIGN_OR_RETURN(ModelSpec spec, read_model(config));
  TRINE_ASSIGN_OR_RETURN(const auto layers, config.integer("num_hidden_layers", 1, kMaxLayers));
  TRINE_ASSIGN_OR_RETURN(const auto experts,
                         config.integer("num_local_experts", 1, kMaxExperts));
  if (layers * experts > kMaxExpertsInAll) {
    return fail(ErrorCode::kMalformed,
                "{}: num_hidden_layers {} × num_local_experts {}, expected at most {} experts",
                config.name(), layers, experts, kMaxExpertsInAll);
  }
  TRINE_ASSIGN_OR_RETURN(const auto per_token,
                         config.integer("num_experts_per_tok", 1, experts));
  TRINE_ASSIGN_OR_RETURN(const auto intermediate,
                         config.integer("intermediate_size", 1, kMaxWidth));
  const Sizes sizes{.hidden = spec.hidden_size,
                    .intermediate = static_cast<std::size_t>(intermediate),
                    .layers = static_cast<std::size_t>(layers),
                    .experts = static_cast<std::size_t>(experts),
                    .query = spec.num_attention_heads * spec.head_dim,
                    .key_value = spec.num_key_value_heads * spec.head_dim};
  for (std::size_t index = 0; index < sizes.layers; ++index) {
    spec.layers.push_back(layer_spec(index, sizes));
    spec.layers.back().moe.experts_per_token = static_cast<std::size_t>(per_token);
  }
  return spec;
}

}  // namespace trine::models
