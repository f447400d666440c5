// Counting what was bounded, what was observed, and whether the one held for the other.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "eval/certificate_matrix.h"

namespace trine::eval {

using CountPerKind = std::array<std::uint64_t, kBoundKinds>;

/// Changes of vectors, one per token: their norms beside the bounds.
struct ChangeTally {
  std::uint64_t tokens = 0;
  PerKind bound_sums{};
  PerKind largest_bounds{};
  PerKind largest_ratios{};   ///< observed ÷ bound; never above 1 for a certain bound
  CountPerKind violations{};  ///< observed above bound
  double observed_sum = 0.0;
  double largest_observed = 0.0;
  double size_sum = 0.0;  ///< of the original's vectors: what the change is a share of

  /// @return true when the observed change exceeds the probabilistic bound.
  bool add(const PerKind& bounds, double observed, double size) {
    ++tokens;
    observed_sum += observed;
    size_sum += size;
    largest_observed = std::max(largest_observed, observed);
    for (std::size_t kind = 0; kind < kBoundKinds; ++kind) {
      bound_sums[kind] += bounds[kind];
      largest_bounds[kind] = std::max(largest_bounds[kind], bounds[kind]);
      if (observed > 0.0) {
        largest_ratios[kind] = std::max(largest_ratios[kind], observed / bounds[kind]);
      }
      // Not "observed > bound": a NaN holds nothing.
      if (!(observed <= bounds[kind])) ++violations[kind];
    }
    return !(observed <= bounds[kProbabilityBound]);
  }
};

/// Decisions, one per token: which experts, or which token is most likely.
struct DecisionTally {
  std::uint64_t tokens = 0;
  CountPerKind certified{};   ///< proven unchanged
  CountPerKind violations{};  ///< proven unchanged, and changed
  std::uint64_t flips = 0;    ///< observed to change

  /// @return true when a decision certified by the probabilistic bound changed.
  bool add(const std::array<bool, kBoundKinds>& is_certified, bool has_changed) {
    ++tokens;
    if (has_changed) ++flips;
    for (std::size_t kind = 0; kind < kBoundKinds; ++kind) {
      if (!is_certified[kind]) continue;
      ++certified[kind];
      if (has_changed) ++violations[kind];
    }
    return is_certified[kProbabilityBound] && has_changed;
  }
};

/// Outputs of single rows of packed matrices on the original's inputs.
struct RowTally {
  std::uint64_t outputs = 0;
  CountPerKind violations{};  ///< of kProbabilityBound: with the stated probability for one row
  double largest_norm_ratio = 0.0;  ///< observed ÷ norm bound
};

}  // namespace trine::eval
