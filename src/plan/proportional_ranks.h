// Shares of a sum of ranks in steps: the method of largest remainders, with caps.
#pragma once

#include <cstddef>
#include <vector>

namespace trine::plan {

/// Hands `total` out in proportion to `weights` in multiples of `step`, nobody above their cap:
/// the exact shares rounded down, then one step each by largest remainder (ties: first first).
/// A larger weight never gets less under equal caps. What caps and step cannot hold is left.
/// @param weights ≥ 0 and finite.
[[nodiscard]] std::vector<std::size_t> proportional_ranks(const std::vector<double>& weights,
                                                          const std::vector<std::size_t>& caps,
                                                          double total, std::size_t step);

}  // namespace trine::plan
