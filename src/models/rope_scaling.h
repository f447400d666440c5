// Rotary frequencies under every scaling of long contexts that checkpoints name.
#pragma once

#include <cstddef>

#include "base/json.h"
#include "base/result.h"
#include "core/model_spec.h"

namespace trine::models {

/// Reads `rope_parameters` (transformers v5) or `rope_theta` with `rope_scaling` (before); both
/// may be there if they agree. Kinds: default, linear, dynamic, yarn, longrope, llama3.
/// kUnsupported lists them; kMalformed names the field.
/// @param rotary_dim part of a head that is turned, even.
[[nodiscard]] Result<RopeSpec> read_rope(const base::JsonFields& config, std::size_t rotary_dim,
                                         double default_theta, std::size_t max_positions);

/// What YaRN with `mscale_all_dim` multiplies the softmax scale by in DeepSeek's models: m², with
/// m = 0.1 · mscale_all_dim · ln(factor) + 1; 1 without it.
[[nodiscard]] Result<double> read_latent_scale(const base::JsonFields& config);

}  // namespace trine::models
