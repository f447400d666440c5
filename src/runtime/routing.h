// From router logits to chosen experts and their weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/model_spec.h"

namespace trine::runtime {

/// Experts chosen for some tokens, k per token, best first.
struct Routing {
  std::size_t experts_per_token = 0;
  std::vector<std::int32_t> experts{};  ///< [tokens, experts_per_token]
  std::vector<float> weights{};         ///< routing_weights, as experts
};

/// Applies the router's rule to logits [tokens, num_experts]. Among equal scores the lower index
/// wins. `selection_bias` is empty or [num_experts].
/// @param forced empty, or the experts to take, [tokens, experts_per_token]; their weights are
/// what the rule gives these experts for these logits.
[[nodiscard]] Routing route(const RouterSpec& router, std::span<const float> router_logits,
                            std::span<const float> selection_bias,
                            std::span<const std::int32_t> forced = {});

}  // namespace trine::runtime
