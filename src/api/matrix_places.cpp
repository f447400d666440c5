#include "api/matrix_places.h"

#include <vector>

namespace trine::api {
namespace {

class Collector {
 public:
  void add_layers(const std::vector<LayerSpec>& layers, bool is_encoder) {
    for (std::size_t index = 0; index < layers.size(); ++index) {
      place_ = {.is_encoder = is_encoder, .layer = index};
      add_layer(layers[index]);
    }
  }

  [[nodiscard]] std::map<std::string, MatrixPlace> take() { return std::move(places_); }

 private:
  void add(const MatrixSpec& matrix, const char* projection) {
    if (!matrix.exists()) return;
    place_.projection = projection;
    places_[matrix.name] = place_;
  }

  void add_expert(const ExpertSpec& expert) {
    add(expert.gate_proj, "gate_proj");
    add(expert.up_proj, "up_proj");
    add(expert.down_proj, "down_proj");
  }

  void add_attention(const LayerSpec& layer) {
    const AttentionSpec& attention = layer.attention;
    if (attention.latent) {
      add(attention.latent->q_a_proj, "q_a_proj");
      add(attention.latent->kv_a_proj, "kv_a_proj");
      add(attention.latent->kv_b_proj, "kv_b_proj");
    }
    add(attention.q_proj, "q_proj");
    add(attention.k_proj, "k_proj");
    add(attention.v_proj, "v_proj");
    add(attention.o_proj, "o_proj");
    if (!layer.cross_attention) return;
    add(layer.cross_attention->q_proj, "cross q_proj");
    add(layer.cross_attention->k_proj, "cross k_proj");
    add(layer.cross_attention->v_proj, "cross v_proj");
    add(layer.cross_attention->o_proj, "cross o_proj");
  }

  void add_layer(const LayerSpec& layer) {
    add_attention(layer);
    if (layer.dense) add_expert(*layer.dense);
    if (!layer.moe) return;
    add(layer.moe->router.matrix, "router");
    add(layer.moe->shared_expert_gate, "shared_expert_gate");
    if (layer.moe->shared_expert) add_expert(*layer.moe->shared_expert);
    for (std::size_t expert = 0; expert < layer.moe->experts.size(); ++expert) {
      place_.expert = expert;
      add_expert(layer.moe->experts[expert]);
    }
  }

  MatrixPlace place_{};  ///< of the matrices being added
  std::map<std::string, MatrixPlace> places_{};
};

}  // namespace

std::map<std::string, MatrixPlace> matrix_places(const ModelSpec& spec) {
  Collector collector;
  if (spec.encoder) collector.add_layers(spec.encoder->layers, true);
  collector.add_layers(spec.layers, false);
  return collector.take();
}

}  // namespace trine::api
