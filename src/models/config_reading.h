// Settings that config.json spells the same way for many families, read in one place.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "core/model_spec.h"

namespace trine::models {

/// Bounds on what a config may claim, so that no file makes us allocate without end.
inline constexpr std::int64_t kMaxWidth = 1 << 20;  ///< hidden and intermediate sizes
inline constexpr std::int64_t kMaxLayers = 1024;
inline constexpr std::int64_t kMaxExperts = 4096;
inline constexpr std::int64_t kMaxExpertsInAll = 1 << 18;  ///< over all layers
inline constexpr std::int64_t kMaxVocabulary = 1 << 24;
inline constexpr std::int64_t kMaxPositions = std::int64_t{1} << 32;

/// Defaults of the family's configuration class: what a field means when the file omits it.
struct ConfigDefaults {
  std::int64_t num_key_value_heads = 0;  ///< 0: as many as query heads
  std::int64_t head_dim = 0;             ///< 0: hidden_size / num_attention_heads
  std::int64_t max_position_embeddings = 2048;
  double norm_eps = 1e-6;
  double rope_theta = 1e4;
  bool tie_word_embeddings = false;
};

/// Everything of a decoder that is not a layer: sizes, norm, rope, embedding and head under
/// their usual names. Also checks that heads divide and that hidden_act is "silu".
[[nodiscard]] Result<ModelSpec> read_decoder(const base::JsonFields& config,
                                             std::string_view family,
                                             const ConfigDefaults& defaults);

/// A whole number from 1 to `high` as a size.
[[nodiscard]] Result<std::size_t> read_size(const base::JsonFields& config,
                                            std::string_view field, std::int64_t high);
[[nodiscard]] Result<std::size_t> read_size_or(const base::JsonFields& config,
                                               std::string_view field, std::int64_t high,
                                               std::size_t absent);

/// Number of layers, at most kMaxLayers.
[[nodiscard]] Result<std::size_t> read_num_layers(const base::JsonFields& config);

/// How many experts and how many per token; kMalformed when experts × layers is absurd or more
/// are chosen than there are. An absent field takes the default when that is above 0.
struct ExpertCounts {
  std::size_t num_experts = 0;
  std::size_t experts_per_token = 0;
};
struct ExpertFields {
  std::string_view num_experts = "num_experts";
  std::int64_t num_experts_absent = 0;
  std::int64_t experts_per_token_absent = 0;
};
[[nodiscard]] Result<ExpertCounts> read_expert_counts(const base::JsonFields& config,
                                                      std::size_t num_layers,
                                                      const ExpertFields& fields);

/// Which layers have a sliding window: `layer_types` when given ("sliding_attention" or
/// "full_attention" per layer), else layers from `first_sliding` on. Windows are
/// `sliding_window` positions, `absent` when the file does not say. One entry per layer.
using Windows = std::vector<std::optional<std::size_t>>;
[[nodiscard]] Result<Windows> read_windows(const base::JsonFields& config,
                                           std::size_t num_layers, std::size_t first_sliding,
                                           std::size_t absent);

/// Layer indices of a list such as `mlp_only_layers`; empty when absent.
[[nodiscard]] Result<std::vector<std::size_t>> read_indices(const base::JsonFields& config,
                                                            std::string_view field);

}  // namespace trine::models
