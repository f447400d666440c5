#include <trine/inspect.h>

#include "api/opened_model.h"

namespace trine {
namespace {

const char* name_of_role(MatrixRole role) {
  switch (role) {
    case MatrixRole::kAttention: return "attention";
    case MatrixRole::kExpert: return "expert";
    case MatrixRole::kRouter: return "router";
    case MatrixRole::kEmbedding: return "embedding";
    case MatrixRole::kHead: return "head";
  }
  return "unknown";
}

Result<MatrixInspection> inspect_matrix(const api::OpenedModel& model, const MatrixSpec& spec) {
  MatrixInspection matrix{.name = spec.name,
                          .role = name_of_role(spec.role),
                          .out_features = spec.out_features,
                          .in_features = spec.in_features};
  TRINE_ASSIGN_OR_RETURN(const models::WeightView weight, model.source().weight(spec.name));
  if (const auto* dense = std::get_if<TensorView>(&weight)) {
    matrix.type = name_of(dense->dtype);
    matrix.bits = static_cast<int>(bits_of(dense->dtype));
    matrix.stored_bytes = dense->bytes.size();
    return matrix;
  }
  const auto& layout = std::get<PackedMatrixView>(weight).layout;
  matrix.type = "affine";
  matrix.bits = layout.bits;
  matrix.group_size = layout.group_size;
  matrix.stored_bytes = layout.total_bytes();
  matrix.weight_error = model.packed->manifest().matrices.at(spec.name).weight_error;
  return matrix;
}

void add_to_roles(const MatrixInspection& matrix, std::vector<RoleInspection>& roles) {
  auto found = roles.begin();
  while (found != roles.end() && found->role != matrix.role) ++found;
  if (found == roles.end()) found = roles.insert(found, {.role = matrix.role});
  found->num_matrices += 1;
  found->num_weights += matrix.out_features * matrix.in_features;
  found->stored_bytes += matrix.stored_bytes;
}

/// Weights one token is multiplied with, plus its embedding row and the norms.
std::uint64_t count_active(const ModelSpec& spec) {
  const auto size = [](const MatrixSpec& matrix) {
    return std::uint64_t{matrix.out_features} * matrix.in_features;
  };
  std::uint64_t count = size(spec.lm_head) + spec.hidden_size;
  count += norm_names(spec).size() * spec.hidden_size;
  for (const LayerSpec& layer : spec.layers) {
    const AttentionSpec& attention = layer.attention;
    count += size(attention.q_proj) + size(attention.k_proj) + size(attention.v_proj) +
             size(attention.o_proj) + size(layer.moe.router);
    const ExpertSpec& expert = layer.moe.experts.front();
    count += layer.moe.experts_per_token *
             (size(expert.gate_proj) + size(expert.up_proj) + size(expert.down_proj));
  }
  return count;
}

void describe_shape(const ModelSpec& spec, ModelInspection& result) {
  const MoeSpec& moe = spec.layers.front().moe;
  result.family = spec.family;
  result.hidden_size = spec.hidden_size;
  result.num_hidden_layers = spec.layers.size();
  result.num_attention_heads = spec.num_attention_heads;
  result.num_key_value_heads = spec.num_key_value_heads;
  result.head_dim = spec.head_dim;
  result.num_experts = moe.experts.size();
  result.experts_per_token = moe.experts_per_token;
  result.moe_intermediate_size = moe.experts.front().gate_proj.out_features;
  result.vocab_size = spec.vocab_size;
  result.max_position_embeddings = spec.max_position_embeddings;
  result.active_parameters = count_active(spec);
  result.num_parameters = norm_names(spec).size() * spec.hidden_size;
}

}  // namespace

Result<ModelInspection> inspect_model(const std::string& path) {
  TRINE_ASSIGN_OR_RETURN(const api::OpenedModel model, api::open_model(path));
  ModelInspection result;
  describe_shape(model.spec(), result);
  for (const MatrixSpec* spec : all_matrices(model.spec())) {
    TRINE_ASSIGN_OR_RETURN(auto matrix, inspect_matrix(model, *spec));
    add_to_roles(matrix, result.roles);
    result.num_parameters += matrix.out_features * matrix.in_features;
    result.matrices.push_back(std::move(matrix));
  }
  if (model.packed) {
    const packed::Manifest& manifest = model.packed->manifest();
    result.stored_bytes = manifest.totals.stored_bytes;
    result.compression = CompressionInspection{
        manifest.recipe.preset, manifest.totals.bits_per_weight(), manifest.totals.weight_error,
        manifest.totals.original_bytes, manifest.trine_version};
  } else {
    result.stored_bytes = model.original->total_weight_bytes();
  }
  return result;
}

}  // namespace trine
