#include "core/model_spec.h"

namespace trine {
namespace {

using Matrices = std::vector<const MatrixSpec*>;

void add_if_there(Matrices& found, std::initializer_list<const MatrixSpec*> matrices) {
  for (const MatrixSpec* matrix : matrices) {
    if (matrix->exists()) found.push_back(matrix);
  }
}

void add_expert(Matrices& found, const ExpertSpec& expert) {
  add_if_there(found, {&expert.gate_proj, &expert.up_proj, &expert.down_proj});
}

void add_layer(Matrices& found, const LayerSpec& layer) {
  const AttentionSpec& attention = layer.attention;
  if (attention.latent) {
    const LatentSpec& latent = *attention.latent;
    add_if_there(found, {&latent.q_a_proj, &latent.kv_a_proj, &latent.kv_b_proj});
  }
  add_if_there(found,
               {&attention.q_proj, &attention.k_proj, &attention.v_proj, &attention.o_proj});
  if (layer.cross_attention) {
    const CrossAttentionSpec& cross = *layer.cross_attention;
    add_if_there(found, {&cross.q_proj, &cross.k_proj, &cross.v_proj, &cross.o_proj});
  }
  if (layer.dense) add_expert(found, *layer.dense);
  if (!layer.moe) return;
  add_if_there(found, {&layer.moe->router.matrix, &layer.moe->shared_expert_gate});
  if (layer.moe->shared_expert) add_expert(found, *layer.moe->shared_expert);
  for (const ExpertSpec& expert : layer.moe->experts) add_expert(found, expert);
}

bool is_compressible(MatrixRole role) {
  return role == MatrixRole::kAttention || role == MatrixRole::kDense ||
         role == MatrixRole::kExpert || role == MatrixRole::kSharedExpert;
}

}  // namespace

const char* name_of(MatrixRole role) noexcept {
  switch (role) {
    case MatrixRole::kAttention: return "attention";
    case MatrixRole::kLatent: return "latent";
    case MatrixRole::kDense: return "dense";
    case MatrixRole::kExpert: return "expert";
    case MatrixRole::kSharedExpert: return "shared_expert";
    case MatrixRole::kRouter: return "router";
    case MatrixRole::kPositionBias: return "position_bias";
    case MatrixRole::kEmbedding: return "embedding";
    case MatrixRole::kHead: return "head";
  }
  return "unknown";
}

const char* name_of(Encoding encoding) noexcept {
  switch (encoding) {
    case Encoding::kPlain: return "plain";
    case Encoding::kFp8Blocks: return "fp8";
    case Encoding::kMxfp4: return "mxfp4";
  }
  return "unknown";
}

std::vector<const LayerSpec*> all_layers(const ModelSpec& spec) {
  std::vector<const LayerSpec*> layers;
  if (spec.encoder) {
    for (const LayerSpec& layer : spec.encoder->layers) layers.push_back(&layer);
  }
  for (const LayerSpec& layer : spec.layers) layers.push_back(&layer);
  return layers;
}

std::vector<const MatrixSpec*> compressible_matrices(const ModelSpec& spec) {
  Matrices found;
  for (const MatrixSpec* matrix : all_matrices(spec)) {
    if (is_compressible(matrix->role)) found.push_back(matrix);
  }
  return found;
}

std::vector<const MatrixSpec*> all_matrices(const ModelSpec& spec) {
  Matrices found;
  for (const LayerSpec* layer : all_layers(spec)) add_layer(found, *layer);
  if (spec.encoder && spec.encoder->relative_bias) {
    found.push_back(&spec.encoder->relative_bias->table);
  }
  if (spec.relative_bias) found.push_back(&spec.relative_bias->table);
  found.push_back(&spec.embed_tokens);
  if (spec.lm_head.name != spec.embed_tokens.name) found.push_back(&spec.lm_head);
  return found;
}

std::vector<const VectorSpec*> all_vectors(const ModelSpec& spec) {
  std::vector<const VectorSpec*> found;
  const auto add = [&](const VectorSpec& vector) {
    if (vector.exists()) found.push_back(&vector);
  };
  const auto add_norm = [&](const NormSpec& norm) {
    add(norm.weight);
    add(norm.bias);
  };
  for (const LayerSpec* layer : all_layers(spec)) {
    add_norm(layer->input_norm);
    add_norm(layer->post_attention_norm);
    add_norm(layer->attention.q_norm);
    add_norm(layer->attention.k_norm);
    add(layer->attention.sinks);
    if (layer->attention.latent) {
      add_norm(layer->attention.latent->q_a_norm);
      add_norm(layer->attention.latent->kv_a_norm);
    }
    if (layer->cross_attention) add_norm(layer->cross_attention->norm);
    if (layer->moe) add(layer->moe->router.selection_bias);
  }
  if (spec.encoder) add_norm(spec.encoder->final_norm);
  add_norm(spec.final_norm);
  for (const MatrixSpec* matrix : all_matrices(spec)) add(matrix->bias);
  return found;
}

const std::string& tensor_of(const MatrixSpec& matrix) noexcept {
  return matrix.stored.tensor.empty() ? matrix.name : matrix.stored.tensor;
}

const std::string& tensor_of(const VectorSpec& vector) noexcept {
  return vector.stored.tensor.empty() ? vector.name : vector.stored.tensor;
}

}  // namespace trine
