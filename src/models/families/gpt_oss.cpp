// GPT-OSS: attention sinks, alternating sliding windows, biases everywhere, experts stored
// stacked with gate and up rows alternating: MXFP4 in the releases, or bf16 transposed.
// Router: the best k logits, softmax over those. Source: OpenAI 2025, gpt-oss model card.
#include "models/config_reading.h"
#include "models/family.h"
#include "models/layer_building.h"
#include "models/quantization_config.h"
#include "models/rope_scaling.h"

namespace trine::models {
namespace {

/// Places expert `index` of `num_experts` in the stacked tensors under `experts`.
void place_expert(ExpertSpec& expert, std::size_t index, std::size_t num_experts,
                  const std::string& experts, bool is_mxfp4) {
  const std::size_t width = expert.gate_proj.out_features;
  const std::size_t hidden = expert.gate_proj.in_features;
  StoredAs gate{
      .plane = index, .row_step = 2, .tensor_rows = 2 * width, .num_planes = num_experts};
  StoredAs down{.plane = index, .num_planes = num_experts};
  const auto place = [&](StoredAs& stored, const char* name) {
    stored.tensor = experts + name + (is_mxfp4 ? "_blocks" : "");
    stored.is_transposed = !is_mxfp4;
    stored.encoding = is_mxfp4 ? Encoding::kMxfp4 : Encoding::kPlain;
    if (is_mxfp4) stored.scales = experts + name + "_scales";
  };
  place(gate, ".gate_up_proj");
  place(down, ".down_proj");
  expert.gate_proj.stored = expert.up_proj.stored = gate;
  expert.up_proj.stored.first_row = 1;
  expert.down_proj.stored = down;

  const auto bias = [&](const MatrixSpec& matrix, const char* name, std::size_t first,
                        std::size_t step, std::size_t rows) {
    return VectorSpec{.name = matrix.name.substr(0, matrix.name.rfind('.')) + ".bias",
                      .size = matrix.out_features,
                      .stored = {.tensor = experts + name,
                                 .plane = index,
                                 .first_row = first,
                                 .row_step = step,
                                 .tensor_rows = rows,
                                 .num_planes = num_experts}};
  };
  expert.gate_proj.bias = bias(expert.gate_proj, ".gate_up_proj_bias", 0, 2, 2 * width);
  expert.up_proj.bias = bias(expert.up_proj, ".gate_up_proj_bias", 1, 2, 2 * width);
  expert.down_proj.bias = bias(expert.down_proj, ".down_proj_bias", 0, 1, hidden);
}

/// What an absent scaling means in this family's class.
Result<RopeSpec> default_rope(const base::JsonFields& config, std::size_t head_dim) {
  constexpr std::size_t kPositions = 131072;
  constexpr double kTheta = 150000.0;
  base::Json filled = config.json();
  filled["rope_scaling"] = {{"rope_type", "yarn"}, {"factor", 32.0},
                            {"beta_fast", 32.0},   {"beta_slow", 1.0},
                            {"truncate", false},   {"original_max_position_embeddings", 4096}};
  return read_rope(base::JsonFields(filled, config.name()), head_dim, kTheta, kPositions);
}

}  // namespace

Result<ModelSpec> parse_gpt_oss(const base::JsonFields& config) {
  TRINE_ASSIGN_OR_RETURN(ModelSpec spec, read_decoder(config, "gpt_oss",
                                                      {.num_key_value_heads = 8,
                                                       .head_dim = 64,
                                                       .max_position_embeddings = 131072,
                                                       .norm_eps = 1e-5,
                                                       .rope_theta = 150000.0}));
  TRINE_ASSIGN_OR_RETURN(const bool bias, config.boolean_or("attention_bias", true));
  TRINE_ASSIGN_OR_RETURN(const std::size_t layers, read_num_layers(config));
  TRINE_ASSIGN_OR_RETURN(const ExpertCounts counts,
                         read_expert_counts(config, layers,
                                            {.num_experts = "num_local_experts",
                                             .num_experts_absent = 128,
                                             .experts_per_token_absent = 4}));
  TRINE_ASSIGN_OR_RETURN(const std::size_t width,
                         read_size(config, "intermediate_size", kMaxWidth));
  TRINE_ASSIGN_OR_RETURN(const auto method, source_quant_method(config));
  TRINE_ASSIGN_OR_RETURN(auto windows, read_windows(config, layers, 0, 128));
  if (!config.has("layer_types")) {  // the class default: every other layer, the first included
    for (std::size_t index = 1; index < layers; index += 2) windows[index].reset();
  }
  spec.activation = Activation::kClampedSwish;
  TRINE_ASSIGN_OR_RETURN(spec.activation_limit,
                         config.number_or("swiglu_limit", 1e-6, 1e9, 7.0));
  if (!config.has("rope_scaling") && !config.has("rope_parameters")) {
    TRINE_ASSIGN_OR_RETURN(spec.rope, default_rope(config, spec.head_dim));
  }
  for (std::size_t index = 0; index < layers; ++index) {
    LayerSpec layer = decoder_layer(spec, index);
    const std::string prefix = layer_prefix(index);
    layer.attention.sliding_window = windows[index];
    layer.attention.sinks = {.name = prefix + ".self_attn.sinks",
                             .size = spec.num_attention_heads};
    if (bias) {
      for (MatrixSpec* matrix : {&layer.attention.q_proj, &layer.attention.k_proj,
                                 &layer.attention.v_proj, &layer.attention.o_proj}) {
        add_bias(*matrix);
      }
    }
    layer.moe = routed_experts(prefix + ".mlp", {counts.num_experts, counts.experts_per_token,
                                                 spec.hidden_size, width});
    layer.moe->router.matrix.name = prefix + ".mlp.router.weight";
    add_bias(layer.moe->router.matrix);
    layer.moe->router.rule = RoutingRule::kTopKSoftmax;
    for (std::size_t expert = 0; expert < counts.num_experts; ++expert) {
      place_expert(layer.moe->experts[expert], expert, counts.num_experts,
                   prefix + ".mlp.experts", method == "mxfp4");
    }
    spec.layers.push_back(std::move(layer));
  }
  return spec;
}

}  // namespace trine::models
