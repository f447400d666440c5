#include "models/layer_building.h"

#include <fmt/format.h>

#include <cmath>

namespace trine::models {

MatrixSpec matrix_spec(std::string name, std::size_t out_features, std::size_t in_features,
                       MatrixRole role) {
  return {.name = std::move(name),
          .out_features = out_features,
          .in_features = in_features,
          .role = role};
}

NormSpec rms_norm_spec(const std::string& prefix, std::size_t size) {
  return {.weight = {.name = prefix + ".weight", .size = size}};
}

NormSpec layer_norm_spec(const std::string& prefix, std::size_t size) {
  return {.weight = {.name = prefix + ".weight", .size = size},
          .bias = {.name = prefix + ".bias", .size = size}};
}

void add_bias(MatrixSpec& matrix) {
  constexpr std::string_view kSuffix = ".weight";
  matrix.bias = {.name = matrix.name.substr(0, matrix.name.size() - kSuffix.size()) + ".bias",
                 .size = matrix.out_features};
}

std::string layer_prefix(std::size_t index) { return fmt::format("model.layers.{}", index); }

LayerSpec decoder_layer(const ModelSpec& spec, std::size_t index) {
  const std::string layer = layer_prefix(index);
  const std::size_t hidden = spec.hidden_size;
  const std::size_t query = spec.num_attention_heads * spec.head_dim;
  const std::size_t key = spec.num_key_value_heads * spec.head_dim;
  const auto matrix = [&](const char* name, std::size_t out, std::size_t in) {
    return matrix_spec(fmt::format("{}.self_attn.{}.weight", layer, name), out, in,
                       MatrixRole::kAttention);
  };
  LayerSpec built{
      .input_norm = rms_norm_spec(layer + ".input_layernorm", hidden),
      .post_attention_norm = rms_norm_spec(layer + ".post_attention_layernorm", hidden)};
  built.attention.q_proj = matrix("q_proj", query, hidden);
  built.attention.k_proj = matrix("k_proj", key, hidden);
  built.attention.v_proj = matrix("v_proj", key, hidden);
  built.attention.o_proj = matrix("o_proj", hidden, query);
  built.attention.softmax_scale = 1.0 / std::sqrt(static_cast<double>(spec.head_dim));
  return built;
}

ExpertSpec gated_mlp(const std::string& prefix, std::size_t hidden_size, std::size_t width,
                     MatrixRole role) {
  return {.gate_proj = matrix_spec(prefix + ".gate_proj.weight", width, hidden_size, role),
          .up_proj = matrix_spec(prefix + ".up_proj.weight", width, hidden_size, role),
          .down_proj = matrix_spec(prefix + ".down_proj.weight", hidden_size, width, role)};
}

MoeSpec routed_experts(const std::string& prefix, const ExpertsShape& shape) {
  MoeSpec moe;
  moe.router.matrix = matrix_spec(prefix + ".gate.weight", shape.num_experts, shape.hidden_size,
                                  MatrixRole::kRouter);
  moe.router.experts_per_token = shape.experts_per_token;
  for (std::size_t expert = 0; expert < shape.num_experts; ++expert) {
    moe.experts.push_back(gated_mlp(fmt::format("{}.experts.{}", prefix, expert),
                                    shape.hidden_size, shape.width, MatrixRole::kExpert));
  }
  return moe;
}

void stack_expert(ExpertSpec& expert, std::size_t index, std::size_t num_experts,
                  const std::string& gate_up, const std::string& down) {
  const std::size_t width = expert.gate_proj.out_features;
  expert.gate_proj.stored = {.tensor = gate_up,
                             .plane = index,
                             .first_row = 0,
                             .tensor_rows = 2 * width,
                             .num_planes = num_experts};
  expert.up_proj.stored = expert.gate_proj.stored;
  expert.up_proj.stored.first_row = width;
  expert.down_proj.stored = {.tensor = down, .plane = index, .num_planes = num_experts};
}

}  // namespace trine::models
