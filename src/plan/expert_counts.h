// How many experts of a layer get how many bits.
//
// arXiv 2604.06515, method section: two or three levels, the same counts in every layer, so that
// every layer has the average that was asked for.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace trine::plan {

enum class CountRule {
  kPaper,  ///< the rule as the paper words it
  kCompat,  ///< as the published code counts; with 8 experts it differs at 1.75 of 3/2/1 bits only
};

struct ExpertCounts {
  std::vector<int> levels{};          ///< bits, highest first
  std::vector<std::size_t> counts{};  ///< experts with that many bits
  double average_bits = 0.0;          ///< achieved; whole experts cannot give every average

  /// Bits of every expert when `order` hands them out from its first position.
  [[nodiscard]] std::vector<int> bits_by_expert(std::span<const std::size_t> order) const;
};

/// @param levels two or three bit widths, highest first; three must be equally spaced.
/// @param average_bits between the lowest and the highest level.
/// kInvalidArgument names what is wrong. Halves round to even, as in the published Python:
/// with levels 3 and 1, 8 experts and 2.125 bits, 4.5 becomes 4 experts and the average 2.0.
[[nodiscard]] Result<ExpertCounts> expert_counts(std::size_t num_experts,
                                                 std::span<const int> levels,
                                                 double average_bits,
                                                 CountRule rule = CountRule::kPaper);

}  // namespace trine::plan
