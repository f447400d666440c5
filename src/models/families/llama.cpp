// Dense decoders: Llama, Qwen2, Qwen3. They differ in biases, query/key norms and windows.
// Sources: Touvron et al. 2023, arXiv:2302.13971; Yang et al. 2024, arXiv:2407.10671 and 2025,
// arXiv:2505.09388.
#include "models/config_reading.h"
#include "models/family.h"
#include "models/layer_building.h"

namespace trine::models {
namespace {

/// What one of them adds to the plain layer.
struct Particulars {
  bool qkv_bias = false;
  bool o_bias = false;
  bool mlp_bias = false;
  bool qk_norm = false;
};

void add_biases(LayerSpec& layer, const Particulars& particulars) {
  AttentionSpec& attention = layer.attention;
  if (particulars.qkv_bias) {
    for (MatrixSpec* matrix : {&attention.q_proj, &attention.k_proj, &attention.v_proj}) {
      add_bias(*matrix);
    }
  }
  if (particulars.o_bias) add_bias(attention.o_proj);
  if (particulars.mlp_bias) {
    for (MatrixSpec* matrix :
         {&layer.dense->gate_proj, &layer.dense->up_proj, &layer.dense->down_proj}) {
      add_bias(*matrix);
    }
  }
}

Status add_layers(const base::JsonFields& config, const Particulars& particulars,
                  const Windows& windows, ModelSpec& spec) {
  TRINE_ASSIGN_OR_RETURN(const std::size_t width,
                         read_size(config, "intermediate_size", kMaxWidth));
  for (std::size_t index = 0; index < windows.size(); ++index) {
    LayerSpec layer = decoder_layer(spec, index);
    const std::string prefix = layer_prefix(index);
    layer.dense = gated_mlp(prefix + ".mlp", spec.hidden_size, width, MatrixRole::kDense);
    layer.attention.sliding_window = windows[index];
    if (particulars.qk_norm) {
      layer.attention.q_norm = rms_norm_spec(prefix + ".self_attn.q_norm", spec.head_dim);
      layer.attention.k_norm = rms_norm_spec(prefix + ".self_attn.k_norm", spec.head_dim);
    }
    add_biases(layer, particulars);
    spec.layers.push_back(std::move(layer));
  }
  return {};
}

/// Qwen's rule: windows only if asked for, in the layers listed or from max_window_layers on.
Result<Windows> qwen_windows(const base::JsonFields& config) {
  TRINE_ASSIGN_OR_RETURN(const std::size_t layers, read_num_layers(config));
  TRINE_ASSIGN_OR_RETURN(const bool slides, config.boolean_or("use_sliding_window", false));
  if (!slides) return Windows(layers);
  TRINE_ASSIGN_OR_RETURN(const auto first,
                         config.integer_or("max_window_layers", 0, kMaxLayers, 28));
  return read_windows(config, layers, static_cast<std::size_t>(first), 4096);
}

}  // namespace

Result<ModelSpec> parse_llama(const base::JsonFields& config) {
  TRINE_ASSIGN_OR_RETURN(ModelSpec spec, read_decoder(config, "llama", {}));
  TRINE_ASSIGN_OR_RETURN(const bool attention_bias, config.boolean_or("attention_bias", false));
  TRINE_ASSIGN_OR_RETURN(const bool mlp_bias, config.boolean_or("mlp_bias", false));
  TRINE_ASSIGN_OR_RETURN(const std::size_t layers, read_num_layers(config));
  TRINE_RETURN_IF_ERROR(add_layers(config, {attention_bias, attention_bias, mlp_bias, false},
                                   Windows(layers), spec));
  return spec;
}

Result<ModelSpec> parse_qwen2(const base::JsonFields& config) {
  TRINE_ASSIGN_OR_RETURN(ModelSpec spec, read_decoder(config, "qwen2",
                                                      {.num_key_value_heads = 32,
                                                       .max_position_embeddings = 32768}));
  TRINE_ASSIGN_OR_RETURN(const Windows windows, qwen_windows(config));
  TRINE_RETURN_IF_ERROR(add_layers(config, {.qkv_bias = true}, windows, spec));
  return spec;
}

Result<ModelSpec> parse_qwen3(const base::JsonFields& config) {
  TRINE_ASSIGN_OR_RETURN(ModelSpec spec, read_decoder(config, "qwen3",
                                                      {.num_key_value_heads = 32,
                                                       .head_dim = 128,
                                                       .max_position_embeddings = 32768}));
  TRINE_ASSIGN_OR_RETURN(const bool bias, config.boolean_or("attention_bias", false));
  TRINE_ASSIGN_OR_RETURN(const Windows windows, qwen_windows(config));
  TRINE_RETURN_IF_ERROR(
      add_layers(config, {.qkv_bias = bias, .o_bias = bias, .qk_norm = true}, windows, spec));
  return spec;
}

}  // namespace trine::models
