// Statistics of two runs over one model become those of both texts.
#pragma once

#include "core/statistics.h"

namespace trine::calibrate {

/// Adds `other` to `target`: counts and sums are added, moments are averaged with the tokens
/// they come from as weights. That is what one run over both texts would give, except for
/// rounding: counts are exact, means and weight sums differ by a few units of double's last place
/// (moment_blocks: of float's) per merge, and as much between orders of merging. Windows that
/// would span the two texts are not made up. Both are of the same model and kind
/// (InvariantError).
void merge_into(ModelStatistics& target, const ModelStatistics& other);

}  // namespace trine::calibrate
