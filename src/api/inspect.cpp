#include <trine/inspect.h>

#include "api/matrix_places.h"
#include "api/opened_model.h"

namespace trine {
namespace {

Result<MatrixInspection> inspect_matrix(const api::OpenedModel& model, const MatrixSpec& spec) {
  MatrixInspection matrix{.name = spec.name,
                          .role = name_of(spec.role),
                          .out_features = spec.out_features,
                          .in_features = spec.in_features};
  TRINE_ASSIGN_OR_RETURN(const models::WeightView weight, model.source().matrix(spec));
  if (const auto* dense = std::get_if<TensorView>(&weight)) {
    matrix.type = name_of(dense->dtype);
    matrix.bits = static_cast<int>(bits_of(dense->dtype));
    matrix.stored_bytes = dense->bytes.size();
    return matrix;
  }
  if (const auto* reader = std::get_if<std::shared_ptr<const RowReader>>(&weight)) {
    matrix.type = name_of(spec.stored.encoding);
    matrix.stored_bytes = (*reader)->stored_bytes();
    matrix.bits =
        static_cast<int>(8 * matrix.stored_bytes / (spec.out_features * spec.in_features));
    return matrix;
  }
  const auto& layout = models::codes_of(weight)->layout;
  matrix.type = "affine";
  matrix.bits = layout.bits;
  matrix.group_size = layout.group_size;
  const packed::MatrixRecord& record = model.packed->manifest().matrices.at(spec.name);
  matrix.metadata_bits = layout.metadata_bits;
  matrix.quantizer = record.quantizer;
  matrix.rank = record.rank;
  matrix.factor_bits = record.factor_bits;
  matrix.stored_bytes = record.stored_bytes();
  matrix.codes_bytes = layout.num_row_blocks() * layout.num_groups() * layout.codes_bytes();
  matrix.scales_bytes = layout.total_bytes() - matrix.codes_bytes;
  matrix.factors_bytes = matrix.stored_bytes - layout.total_bytes();
  matrix.weight_error = record.weight_error;
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

std::uint64_t size_of(const MatrixSpec& matrix) {
  return std::uint64_t{matrix.out_features} * matrix.in_features;
}

/// Weights one token is multiplied with: all but the embedding table (one row of it) and the
/// experts that were not chosen. Of an encoder–decoder model: by one token of either half together.
std::uint64_t count_active(const ModelSpec& spec) {
  std::uint64_t count = spec.hidden_size + size_of(spec.lm_head);
  for (const VectorSpec* vector : all_vectors(spec)) count += vector->size;
  for (const MatrixSpec* matrix : all_matrices(spec)) {
    const bool always = matrix->role != MatrixRole::kExpert &&
                        matrix->role != MatrixRole::kEmbedding &&
                        matrix->role != MatrixRole::kHead;
    if (always) count += size_of(*matrix);
  }
  for (const LayerSpec* layer : all_layers(spec)) {
    if (!layer->moe) continue;
    const ExpertSpec& expert = layer->moe->experts.front();
    count += layer->moe->router.experts_per_token *
             (size_of(expert.gate_proj) + size_of(expert.up_proj) + size_of(expert.down_proj));
  }
  return count;
}

void describe_shape(const ModelSpec& spec, ModelInspection& result) {
  result.family = spec.family;
  result.hidden_size = spec.hidden_size;
  result.num_hidden_layers = spec.layers.size();
  result.num_encoder_layers = spec.encoder ? spec.encoder->layers.size() : 0;
  result.num_attention_heads = spec.num_attention_heads;
  result.num_key_value_heads = spec.num_key_value_heads;
  result.head_dim = spec.head_dim;
  for (const LayerSpec* layer : all_layers(spec)) {
    if (!layer->moe) continue;
    result.num_experts = layer->moe->experts.size();
    result.experts_per_token = layer->moe->router.experts_per_token;
    result.moe_intermediate_size = layer->moe->experts.front().up_proj.out_features;
  }
  result.vocab_size = spec.vocab_size;
  result.max_position_embeddings = spec.max_position_embeddings;
  result.active_parameters = count_active(spec);
  for (const VectorSpec* vector : all_vectors(spec)) result.num_parameters += vector->size;
}

}  // namespace

Result<ModelInspection> inspect_model(const std::string& path) {
  TRINE_ASSIGN_OR_RETURN(const api::OpenedModel model, api::open_model(path));
  ModelInspection result;
  describe_shape(model.spec(), result);
  const auto places = api::matrix_places(model.spec());
  for (const MatrixSpec* spec : all_matrices(model.spec())) {
    TRINE_ASSIGN_OR_RETURN(auto matrix, inspect_matrix(model, *spec));
    if (const auto place = places.find(spec->name); place != places.end()) {
      matrix.place = place->second;
    }
    add_to_roles(matrix, result.roles);
    result.num_parameters += matrix.out_features * matrix.in_features;
    result.matrices.push_back(std::move(matrix));
  }
  if (model.packed) {
    const packed::Manifest& manifest = model.packed->manifest();
    result.stored_bytes = manifest.totals.stored_bytes;
    result.compression =
        CompressionInspection{.preset = manifest.recipe.preset,
                              .allocator = manifest.recipe.allocator,
                              .budget_bits_per_weight = manifest.recipe.bits_per_weight,
                              .budget_bytes = manifest.recipe.memory_bytes,
                              .bits_per_weight = manifest.totals.bits_per_weight(),
                              .weight_error = manifest.totals.weight_error,
                              .original_bytes = manifest.totals.original_bytes,
                              .trine_version = manifest.trine_version};
  } else {
    result.stored_bytes = model.original->total_weight_bytes();
  }
  return result;
}

}  // namespace trine
