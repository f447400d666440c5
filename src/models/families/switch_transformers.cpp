// Switch Transformer: T5's encoder and decoder with one expert per token in some layers.
// Router: softmax over all experts in fp32, the best one, weighted by its probability. Every token
// reaches its expert: expert_capacity is a limit of training hardware and is not applied.
// Sources: Fedus et al. 2021, arXiv:2101.03961; Raffel et al. 2019, arXiv:1910.10683.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "models/config_reading.h"
#include "models/family.h"
#include "models/layer_building.h"

namespace trine::models {
namespace {

/// One half of the model.
struct Half {
  const char* name;  ///< "encoder" or "decoder", also the prefix of its tensors
  std::size_t num_layers = 0;
  std::size_t sparse_step = 0;  ///< 0: all layers are dense

  [[nodiscard]] bool is_sparse(std::size_t index) const {
    return sparse_step == 1 || (sparse_step > 1 && index % sparse_step == 1);
  }
};

struct Settings {
  Half encoder{"encoder"};
  Half decoder{"decoder"};
  std::size_t width = 0;  ///< of every feed-forward
  std::size_t num_experts = 0;
  bool has_router_bias = false;
  std::size_t num_buckets = 0;
  std::size_t max_distance = 0;
};

/// Gated feed-forwards are other tensors; none of the released checkpoints has them.
Status require_relu(const base::JsonFields& config) {
  for (const char* field : {"dense_act_fn", "feed_forward_proj"}) {
    TRINE_ASSIGN_OR_RETURN(const auto activation, config.string_or(field, "relu"));
    if (activation != "relu") {
      return fail(ErrorCode::kUnsupported, "{}: {} is \"{}\", expected \"relu\"", config.name(),
                  field, activation);
    }
  }
  TRINE_ASSIGN_OR_RETURN(const bool is_gated, config.boolean_or("is_gated_act", false));
  if (!is_gated) return {};
  return fail(ErrorCode::kUnsupported, "{}: is_gated_act is true, expected false",
              config.name());
}

/// Sparse are layers 1, 1 + step, … with step = layers / sparse layers, or all of them: there may be
/// more than the field says, and none with fewer layers than that. 0 means none.
Status read_sparse_step(const base::JsonFields& config, Half& half) {
  const std::string field = fmt::format("num_sparse_{}_layers", half.name);
  const auto layers = static_cast<std::int64_t>(half.num_layers);
  TRINE_ASSIGN_OR_RETURN(const auto sparse, config.integer_or(field, 0, layers, 3));
  half.sparse_step = sparse == 0 ? 0 : static_cast<std::size_t>(layers / sparse);
  return {};
}

/// Buckets halve twice in the encoder (direction, then near and far) and the far ones start at half
/// of them: all of that must leave something.
Status read_buckets(const base::JsonFields& config, Settings& settings) {
  constexpr std::int64_t kMostBuckets = 1 << 16;
  TRINE_ASSIGN_OR_RETURN(const auto buckets, config.integer_or("relative_attention_num_buckets",
                                                               4, kMostBuckets, 32));
  if (buckets % 2 != 0) {
    return fail(
        ErrorCode::kMalformed,
        "{}: relative_attention_num_buckets {} is odd, expected as many for each direction",
        config.name(), buckets);
  }
  TRINE_ASSIGN_OR_RETURN(
      const auto distance,
      config.integer_or("relative_attention_max_distance", buckets / 2 + 1, kMaxWidth, 128));
  settings.num_buckets = static_cast<std::size_t>(buckets);
  settings.max_distance = static_cast<std::size_t>(distance);
  return {};
}

Result<Settings> read_settings(const base::JsonFields& config) {
  Settings settings;
  TRINE_ASSIGN_OR_RETURN(settings.encoder.num_layers,
                         read_size_or(config, "num_layers", kMaxLayers, 12));
  // null means as many as in the encoder, an absent field the class default.
  const bool is_absent = !config.json().contains("num_decoder_layers");
  TRINE_ASSIGN_OR_RETURN(settings.decoder.num_layers,
                         read_size_or(config, "num_decoder_layers", kMaxLayers,
                                      is_absent ? 12 : settings.encoder.num_layers));
  TRINE_RETURN_IF_ERROR(read_sparse_step(config, settings.encoder));
  TRINE_RETURN_IF_ERROR(read_sparse_step(config, settings.decoder));
  TRINE_ASSIGN_OR_RETURN(settings.width, read_size_or(config, "d_ff", kMaxWidth, 2048));
  const auto layers =
      static_cast<std::int64_t>(settings.encoder.num_layers + settings.decoder.num_layers);
  TRINE_ASSIGN_OR_RETURN(
      settings.num_experts,
      read_size_or(config, "num_experts", std::min(kMaxExperts, kMaxExpertsInAll / layers), 8));
  TRINE_ASSIGN_OR_RETURN(settings.has_router_bias, config.boolean_or("router_bias", false));
  TRINE_RETURN_IF_ERROR(read_buckets(config, settings));
  return settings;
}

/// Everything but the layers.
Result<ModelSpec> read_model(const base::JsonFields& config) {
  ModelSpec spec{.family = "switch_transformers", .activation = Activation::kRelu};
  TRINE_ASSIGN_OR_RETURN(spec.vocab_size, read_size(config, "vocab_size", kMaxVocabulary));
  TRINE_ASSIGN_OR_RETURN(spec.hidden_size, read_size_or(config, "d_model", kMaxWidth, 768));
  TRINE_ASSIGN_OR_RETURN(spec.num_attention_heads,
                         read_size_or(config, "num_heads", kMaxWidth, 12));
  TRINE_ASSIGN_OR_RETURN(spec.head_dim, read_size_or(config, "d_kv", kMaxWidth, 64));
  spec.num_key_value_heads = spec.num_attention_heads;
  spec.v_head_dim = spec.head_dim;
  TRINE_ASSIGN_OR_RETURN(spec.max_position_embeddings,
                         read_size_or(config, "n_positions", kMaxPositions, 512));
  TRINE_ASSIGN_OR_RETURN(spec.norm_eps, config.number_or("layer_norm_epsilon", 0.0, 1.0, 1e-6));
  spec.embed_tokens =
      matrix_spec("shared.weight", spec.vocab_size, spec.hidden_size, MatrixRole::kEmbedding);
  spec.lm_head =
      matrix_spec("lm_head.weight", spec.vocab_size, spec.hidden_size, MatrixRole::kHead);
  TRINE_ASSIGN_OR_RETURN(const bool tied, config.boolean_or("tie_word_embeddings", true));
  if (tied) {
    spec.lm_head.name = spec.embed_tokens.name;
    spec.logits_divisor = std::sqrt(static_cast<double>(spec.hidden_size));
  }
  return spec;
}

/// An attention under `prefix`: scores are not scaled, initialisation took care of that.
template <class Attention>
Attention attention_of(const ModelSpec& spec, const std::string& prefix) {
  const std::size_t inner = spec.num_attention_heads * spec.head_dim;
  const auto matrix = [&](const char* name, std::size_t out, std::size_t in) {
    return matrix_spec(prefix + name, out, in, MatrixRole::kAttention);
  };
  Attention attention;
  attention.q_proj = matrix(".q.weight", inner, spec.hidden_size);
  attention.k_proj = matrix(".k.weight", inner, spec.hidden_size);
  attention.v_proj = matrix(".v.weight", inner, spec.hidden_size);
  attention.o_proj = matrix(".o.weight", spec.hidden_size, inner);
  attention.softmax_scale = 1.0;
  return attention;
}

ExpertSpec relu_mlp(const ModelSpec& spec, std::size_t width, const std::string& prefix,
                    MatrixRole role) {
  return {.up_proj = matrix_spec(prefix + ".wi.weight", width, spec.hidden_size, role),
          .down_proj = matrix_spec(prefix + ".wo.weight", spec.hidden_size, width, role)};
}

MoeSpec experts_of(const ModelSpec& spec, const Settings& settings, const std::string& prefix) {
  MoeSpec moe;
  moe.router.matrix = matrix_spec(prefix + ".router.classifier.weight", settings.num_experts,
                                  spec.hidden_size, MatrixRole::kRouter);
  if (settings.has_router_bias) add_bias(moe.router.matrix);
  moe.router.experts_per_token = 1;
  for (std::size_t index = 0; index < settings.num_experts; ++index) {
    moe.experts.push_back(relu_mlp(spec, settings.width,
                                   fmt::format("{}.experts.expert_{}", prefix, index),
                                   MatrixRole::kExpert));
  }
  return moe;
}

/// Sublayers are numbered: self-attention, in the decoder cross attention, feed-forward.
std::vector<LayerSpec> layers_of(const ModelSpec& spec, const Settings& settings,
                                 const Half& half, bool has_cross_attention) {
  std::vector<LayerSpec> layers(half.num_layers);
  for (std::size_t index = 0; index < half.num_layers; ++index) {
    LayerSpec& layer = layers[index];
    const std::string block = fmt::format("{}.block.{}.layer.", half.name, index);
    const auto norm = [&](const std::string& sublayer) {
      return rms_norm_spec(sublayer + ".layer_norm", spec.hidden_size);
    };
    layer.input_norm = norm(block + "0");
    layer.attention = attention_of<AttentionSpec>(spec, block + "0.SelfAttention");
    if (has_cross_attention) {
      layer.cross_attention =
          attention_of<CrossAttentionSpec>(spec, block + "1.EncDecAttention");
      layer.cross_attention->norm = norm(block + "1");
    }
    const std::string last = block + (has_cross_attention ? "2" : "1");
    layer.post_attention_norm = norm(last);
    if (half.is_sparse(index)) {
      layer.moe = experts_of(spec, settings, last + ".mlp");
    } else {
      layer.dense = relu_mlp(spec, settings.width, last + ".mlp", MatrixRole::kDense);
    }
  }
  return layers;
}

/// Stored in the first block, used by all of the half.
RelativeBiasSpec bias_of(const ModelSpec& spec, const Settings& settings, const Half& half) {
  return {.table = matrix_spec(
              fmt::format("{}.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
                          half.name),
              settings.num_buckets, spec.num_attention_heads, MatrixRole::kPositionBias),
          .num_buckets = settings.num_buckets,
          .max_distance = settings.max_distance};
}

}  // namespace

Result<ModelSpec> parse_switch_transformers(const base::JsonFields& config) {
  TRINE_RETURN_IF_ERROR(require_relu(config));
  TRINE_ASSIGN_OR_RETURN(const Settings settings, read_settings(config));
  TRINE_ASSIGN_OR_RETURN(ModelSpec spec, read_model(config));
  TRINE_ASSIGN_OR_RETURN(const auto start_token,
                         config.integer_or("decoder_start_token_id", 0,
                                           static_cast<std::int64_t>(spec.vocab_size) - 1, 0));
  spec.encoder =
      EncoderSpec{.layers = layers_of(spec, settings, settings.encoder, false),
                  .final_norm = rms_norm_spec("encoder.final_layer_norm", spec.hidden_size),
                  .relative_bias = bias_of(spec, settings, settings.encoder),
                  .decoder_start_token = static_cast<std::int32_t>(start_token)};
  spec.layers = layers_of(spec, settings, settings.decoder, true);
  spec.final_norm = rms_norm_spec("decoder.final_layer_norm", spec.hidden_size);
  spec.relative_bias = bias_of(spec, settings, settings.decoder);
  return spec;
}

}  // namespace trine::models
