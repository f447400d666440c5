// The multiple-choice knapsack: one choice per item, least cost within a budget of bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"

namespace trine::plan {

struct KnapsackChoice {
  std::uint64_t bytes = 0;
  double cost = 0.0;  ///< ≥ 0
};

struct KnapsackResult {
  std::vector<std::size_t> chosen{};  ///< index of one choice per item
  std::uint64_t bytes = 0;
  double cost = 0.0;
  double lower_bound = 0.0;  ///< no selection within the budget can cost less (LP relaxation)
};

/// Dynamic programming over bytes in units of their greatest common divisor: exact while the table
/// stays below 2^28 cells. Above that the units grow, sizes are rounded up, and what rounding left
/// is spent greedily; lower_bound says how far from the optimum that can be.
/// Ties go to the choice that comes first. kInvalidArgument, with the smallest possible size, when
/// nothing fits.
[[nodiscard]] Result<KnapsackResult> solve_knapsack(
    std::span<const std::vector<KnapsackChoice>> items, std::uint64_t budget_bytes);

}  // namespace trine::plan
