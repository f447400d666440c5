#include "core/statistics.h"

#include <algorithm>
#include <initializer_list>
#include <set>

namespace trine {
namespace {

/// Collects the sites of one layer after the other.
class SiteCollector {
 public:
  explicit SiteCollector(const ModelSpec& spec) {
    for (const MatrixSpec* matrix : compressible_matrices(spec)) {
      compressible_.insert(matrix->name);
    }
  }

  void add_layer(const LayerSpec& layer, std::size_t index) {
    place_ = {.layer = index};
    add_attention(layer.attention);
    if (layer.dense) add_feed_forward(*layer.dense);
    if (!layer.moe) return;
    if (layer.moe->shared_expert) add_feed_forward(*layer.moe->shared_expert);
    for (std::size_t expert = 0; expert < layer.moe->experts.size(); ++expert) {
      place_.expert = expert;
      add_feed_forward(layer.moe->experts[expert]);
    }
  }

  [[nodiscard]] std::vector<InputSite> take() { return std::move(sites_); }

 private:
  /// With a latent, q_proj reads the same inputs as kv_a_proj or, where there is a q_a_proj,
  /// the query's latent; kv_b_proj reads the latent of keys and values.
  void add_attention(const AttentionSpec& attention) {
    add({&attention.q_proj, &attention.k_proj, &attention.v_proj});
    if (attention.latent) add({&attention.latent->kv_b_proj});
    add({&attention.o_proj});
  }

  void add_feed_forward(const ExpertSpec& mlp) {
    add({&mlp.gate_proj, &mlp.up_proj});
    place_.is_expert_output = true;
    add({&mlp.down_proj});
    place_.is_expert_output = false;
  }

  /// The site of those of `matrices` that exist and are compressed, if there are any.
  void add(std::initializer_list<const MatrixSpec*> matrices) {
    InputSite site = place_;
    for (const MatrixSpec* matrix : matrices) {
      if (!matrix->exists() || !compressible_.contains(matrix->name)) continue;
      if (site.matrices.empty()) {
        site.name = matrix->name;
        site.in_features = matrix->in_features;
      }
      site.matrices.push_back(matrix->name);
    }
    if (!site.matrices.empty()) sites_.push_back(std::move(site));
  }

  std::set<std::string> compressible_{};
  InputSite place_{};  ///< layer, expert and kind of the sites being added
  std::vector<InputSite> sites_{};
};

}  // namespace

std::vector<InputSite> input_sites(const ModelSpec& spec) {
  SiteCollector collector(spec);
  for (std::size_t index = 0; index < spec.layers.size(); ++index) {
    collector.add_layer(spec.layers[index], index);
  }
  return collector.take();
}

std::map<std::string, std::string> site_by_matrix(const ModelSpec& spec) {
  std::map<std::string, std::string> sites;
  for (const InputSite& site : input_sites(spec)) {
    for (const std::string& matrix : site.matrices) sites[matrix] = site.name;
  }
  return sites;
}

std::size_t moment_block_values(std::size_t in_features, std::size_t block_size) noexcept {
  if (block_size == 0) return 0;
  const std::size_t rest = in_features % block_size;
  return in_features / block_size * block_size * block_size + rest * rest;
}

std::vector<double> expert_use(const RoutingStatistics& routing) {
  std::vector<double> use;
  const auto tokens = static_cast<double>(std::max<std::uint64_t>(routing.tokens, 1));
  for (const std::uint64_t count : routing.expert_counts) {
    use.push_back(static_cast<double>(count) / tokens);
  }
  return use;
}

std::vector<ExpertPlace> unseen_experts(const ModelStatistics& statistics) {
  std::vector<ExpertPlace> unseen;
  for (const auto& [layer, routing] : statistics.routing) {
    for (std::size_t expert = 0; expert < routing.expert_counts.size(); ++expert) {
      if (routing.expert_counts[expert] == 0) unseen.push_back({layer, expert});
    }
  }
  return unseen;
}

}  // namespace trine
