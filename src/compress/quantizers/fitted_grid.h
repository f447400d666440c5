// The grid of one group in two steps: what fits best, and what of it can be stored.
#pragma once

#include <span>

#include "compress/quantizers/affine_group.h"
#include "compress/quantizers/metadata.h"

namespace trine::compress {

/// The least-squares grid, not rounded yet; groups whose weights are all equal get the one their
/// metadata wants.
/// @param importance what an error of each weight counts; empty: all the same.
/// @param start where to begin; null: search.
[[nodiscard]] AffineGroup fitted_grid(std::span<const float> weights,
                                      std::span<const float> importance,
                                      const QuantizerOptions& options,
                                      const AffineGroup* start = nullptr);

/// `fitted` as its row can store it: the scale rounded first, the zero fitted again to the rounded
/// scale and then rounded.
[[nodiscard]] AffineGroup stored_grid(std::span<const float> weights,
                                      std::span<const float> importance, int bits,
                                      AffineGroup fitted, const RowGrid& row);

}  // namespace trine::compress
