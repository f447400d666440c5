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
  bool is_expert_output = false;        ///< the input of down_proj
  std::vector<std::string> matrices{};
};

/// Every site that feeds a compressible matrix, in the order of a forward pass.
[[nodiscard]] std::vector<InputSite> input_sites(const ModelSpec& spec);

/// Mean products of the inputs of one site.
struct SiteStatistics {
  std::uint64_t tokens = 0;           ///< input vectors seen
  std::vector<double> second_moments{};  ///< E[x²], [in_features]
  std::size_t block_size = 0;         ///< 0: only the diagonal is kept
  /// E[x xᵀ] of consecutive blocks of block_size inputs (the last may be shorter): each block
  /// row-major, one after the other.
  std::vector<float> moment_blocks{};
};

/// How the router of one layer spread its tokens.
struct RoutingStatistics {
  std::uint64_t tokens = 0;
  std::vector<std::uint64_t> expert_counts{};  ///< tokens sent to each expert
  std::vector<double> weight_sums{};           ///< sum of the routing weights they came with
};

struct ModelStatistics {
  std::uint64_t tokens = 0;
  std::map<std::string, SiteStatistics> sites{};     ///< by site name
  std::map<std::size_t, RoutingStatistics> routing{};  ///< by layer
};

}  // namespace trine
