// Settings that config.json spells in more than one way, read the same way for every family.
#pragma once

#include "base/json.h"
#include "base/result.h"

namespace trine::models {

/// Bounds on what a config may claim, so that no file makes us allocate without end.
inline constexpr std::int64_t kMaxWidth = 1 << 20;  ///< hidden and intermediate sizes
inline constexpr std::int64_t kMaxLayers = 1024;
inline constexpr std::int64_t kMaxExperts = 4096;          ///< of one layer
inline constexpr std::int64_t kMaxExpertsInAll = 1 << 18;  ///< of all layers: 100 MB of names
inline constexpr std::int64_t kMaxVocabulary = 1 << 24;
inline constexpr std::int64_t kMaxPositions = std::int64_t{1} << 32;

/// The rotary base: `rope_parameters.rope_theta` (transformers v5) or `rope_theta` (before),
/// `absent` when there is neither. kMalformed when both are there and differ; kUnsupported for
/// a scaling other than "default" in `rope_parameters` or `rope_scaling`.
[[nodiscard]] Result<double> read_rope_theta(const base::JsonFields& config, double absent);

/// kUnsupported unless `hidden_act` is "silu" (the default).
[[nodiscard]] Status require_silu(const base::JsonFields& config);

}  // namespace trine::models
