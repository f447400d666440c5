// The order of a layer's experts: position 0 gets the most bits.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/result.h"

namespace trine::plan {

/// Which end of a score gets more bits.
enum class MoreBitsTo { kLowest, kHighest };

/// A variance this many times larger cannot come from the shape of a distribution alone: on an
/// interval [a, b] no law has more than 3 times the variance of the uniform one ((b−a)²/4
/// against (b−a)²/12). The ζ of arXiv 2604.06515, method section.
inline constexpr double kDefaultZeta = 3.0;

/// Expert ids by score; equal scores by id. Scores must be finite.
[[nodiscard]] std::vector<std::size_t> expert_order(std::span<const double> scores,
                                                    MoreBitsTo more_bits_to);

/// One pass over `order` from its last position to its first: an expert moves in front of the
/// first one whose maximum variance is more than ζ times smaller than its own (arXiv 2604.06515,
/// method section: an expert with wide rows suffers more noise at equal bits). Afterwards no
/// expert stands behind such a one, for any ζ ≥ 1.
/// @param max_variances by expert id. @param zeta ≥ 1, may be infinite (no expert moves);
/// otherwise kInvalidArgument.
[[nodiscard]] Result<std::vector<std::size_t>> promote_wide_experts(
    std::span<const std::size_t> order, std::span<const double> max_variances, double zeta);

}  // namespace trine::plan
