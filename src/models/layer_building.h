// The parts most families are made of, under their usual tensor names.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "core/model_spec.h"

namespace trine::models {

[[nodiscard]] MatrixSpec matrix_spec(std::string name, std::size_t out_features,
                                     std::size_t in_features, MatrixRole role);

/// `<prefix>.weight` of that size.
[[nodiscard]] NormSpec rms_norm_spec(const std::string& prefix, std::size_t size);
/// `<prefix>.weight` and `<prefix>.bias`.
[[nodiscard]] NormSpec layer_norm_spec(const std::string& prefix, std::size_t size);

/// Gives the matrix `<its name without .weight>.bias`.
void add_bias(MatrixSpec& matrix);

/// "model.layers.<index>"
[[nodiscard]] std::string layer_prefix(std::size_t index);

/// input_layernorm, post_attention_layernorm and grouped-query attention under self_attn, no
/// biases, softmax scale 1/√head_dim. Families add what is theirs.
[[nodiscard]] LayerSpec decoder_layer(const ModelSpec& spec, std::size_t index);

/// gate_proj, up_proj and down_proj under `prefix`.
[[nodiscard]] ExpertSpec gated_mlp(const std::string& prefix, std::size_t hidden_size,
                                   std::size_t width, MatrixRole role);

/// Routed experts under `<prefix>.experts`, router `<prefix>.gate.weight`. When the checkpoint
/// stacks experts as transformers v5 does (`<prefix>.experts.gate_up_proj` [E, 2I, H],
/// `down_proj` [E, H, I]) stack_experts() re-aims them.
struct ExpertsShape {
  std::size_t num_experts = 0;
  std::size_t experts_per_token = 0;
  std::size_t hidden_size = 0;
  std::size_t width = 0;
};
[[nodiscard]] MoeSpec routed_experts(const std::string& prefix, const ExpertsShape& shape);

/// Places gate and up rows of expert `index` in the two halves of a stacked tensor, and down.
void stack_expert(ExpertSpec& expert, std::size_t index, std::size_t num_experts,
                  const std::string& gate_up, const std::string& down);

}  // namespace trine::models
