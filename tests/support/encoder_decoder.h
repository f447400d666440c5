// A small encoder–decoder model of parts that no family puts together like this.
#pragma once

#include <string>

#include "core/model_spec.h"
#include "support/memory_weights.h"

namespace trine::testing_support {

/// small_spec() as the decoder of an encoder of one layer: both have relative biases (of keys on
/// either side in the encoder), the decoder's layers look at the encoder's output.
inline ModelSpec small_encoder_decoder() {
  ModelSpec spec = small_spec();
  const auto bias = [&](const char* name) {
    return RelativeBiasSpec{.table = {.name = name,
                                      .out_features = 8,
                                      .in_features = spec.num_attention_heads,
                                      .role = MatrixRole::kPositionBias},
                            .num_buckets = 8,
                            .max_distance = 6};
  };
  spec.encoder = EncoderSpec{
      .layers = {spec.layers.front()},
      .final_norm = {.weight = {.name = "encoder.norm.weight", .size = spec.hidden_size}},
      .relative_bias = bias("encoder.bias"),
      .decoder_start_token = 3};
  spec.relative_bias = bias("decoder.bias");
  ModelSpec only_encoder;
  only_encoder.layers.swap(spec.encoder->layers);
  for (const MatrixSpec* matrix : all_matrices(only_encoder)) {
    const_cast<MatrixSpec*>(matrix)->name.insert(0, "encoder.");
  }
  for (const VectorSpec* vector : all_vectors(only_encoder)) {
    const_cast<VectorSpec*>(vector)->name.insert(0, "encoder.");
  }
  only_encoder.layers.swap(spec.encoder->layers);
  for (std::size_t index = 0; index < spec.layers.size(); ++index) {
    const std::string prefix = "cross." + std::to_string(index) + ".";
    const auto like = [&](MatrixSpec matrix, const char* name) {
      matrix.name = prefix + name;
      return matrix;
    };
    const AttentionSpec& own = spec.layers[index].attention;
    spec.layers[index].cross_attention = {
        .norm = {.weight = {.name = prefix + "norm", .size = spec.hidden_size}},
        .q_proj = like(own.q_proj, "q"),
        .k_proj = like(own.k_proj, "k"),
        .v_proj = like(own.v_proj, "v"),
        .o_proj = like(own.o_proj, "o"),
        .softmax_scale = 0.7};
  }
  return spec;
}

}  // namespace trine::testing_support
