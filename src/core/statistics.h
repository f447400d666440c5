// What real text showed about a model: sizes of the inputs of its matrices, use of its experts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/model_spec.h"

namespace trine {

/// Matrices applied to the same inputs: q, k and v; gate and up of one expert. Named after the
/// first of them in the order of a forward pass.
struct InputSite {
  std::string name{};
  std::size_t in_features = 0;
  std::size_t layer = 0;
  std::optional<std::size_t> expert{};  ///< index of the routed expert it belongs to
  bool is_expert_output = false;        ///< the input of down_proj of any feed-forward
  std::vector<std::string> matrices{};
};

/// Every site that feeds a compressible matrix, in the order of a forward pass. Matrices a
/// family does not have, and those that are not compressed (latents, routers), are left out; a
/// site none of whose matrices is left does not exist.
[[nodiscard]] std::vector<InputSite> input_sites(const ModelSpec& spec);

/// Name of the site that feeds each compressible matrix, by the matrix's name.
[[nodiscard]] std::map<std::string, std::string> site_by_matrix(const ModelSpec& spec);

/// Mean products of the inputs of one site.
struct SiteStatistics {
  std::uint64_t tokens = 0;              ///< input vectors seen
  std::vector<double> second_moments{};  ///< E[x²], [in_features]; all 0 when tokens is 0
  std::size_t block_size = 0;            ///< 0: only the diagonal is kept
  /// E[x xᵀ] of consecutive blocks of block_size inputs (the last may be shorter): each block
  /// row-major, one after the other.
  std::vector<float> moment_blocks{};
};

/// Numbers in moment_blocks of a site; 0 for block_size 0.
[[nodiscard]] std::size_t moment_block_values(std::size_t in_features,
                                              std::size_t block_size) noexcept;

/// How the router of one layer spread its tokens.
struct RoutingStatistics {
  std::uint64_t tokens = 0;
  std::vector<std::uint64_t> expert_counts{};  ///< tokens sent to each expert
  std::vector<double> weight_sums{};           ///< sum of the routing weights they came with
};

/// Use of each expert: the share of the layer's tokens sent to it, in [0, 1]; over all experts
/// they sum to experts_per_token. All 0 when no token was seen.
[[nodiscard]] std::vector<double> expert_use(const RoutingStatistics& routing);

struct ModelStatistics {
  std::uint64_t tokens = 0;
  std::map<std::string, SiteStatistics> sites{};       ///< by site name
  std::map<std::size_t, RoutingStatistics> routing{};  ///< by layer
};

/// A routed expert of a model.
struct ExpertPlace {
  std::size_t layer = 0;
  std::size_t expert = 0;

  friend bool operator==(const ExpertPlace&, const ExpertPlace&) = default;
};

/// The routed experts that no token was sent to.
[[nodiscard]] std::vector<ExpertPlace> unseen_experts(const ModelStatistics& statistics);

}  // namespace trine
