// Sums over the scored tokens of windows, and the figures of a text made of them.
#pragma once

#include <span>
#include <vector>

#include "eval/estimate.h"
#include "eval/perplexity.h"

namespace trine::eval {

/// Per window: sums over its scored tokens (routing: over tokens, layers and places).
struct WindowSums {
  ClusterSum nll{}, original_nll{}, kl_divergence{}, same_top1{}, same_experts{};
  /// Divergence with the original's experts forced, and what is left of it to routing.
  ClusterSum expert_divergence{}, routing_divergence{};
};

/// One text as it was measured, or several one after the other.
struct Tally {
  std::vector<WindowSums> windows{};
  std::vector<double> divergences{};  ///< of every scored token; empty without a reference

  void append(const Tally& other);
};

/// @param has_split whether the original's experts were forced, too.
[[nodiscard]] TextFigures figures_of(const Tally& tally, bool has_split);

}  // namespace trine::eval
