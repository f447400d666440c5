#include "compress/quantizers/fitted_grid.h"

#include "compress/quantizers/affine_solver.h"

namespace trine::compress {
namespace {

bool is_flat(std::span<const float> weights) {
  const Range range = range_of(weights);
  return range.low == range.high;
}

}  // namespace

AffineGroup fitted_grid(std::span<const float> weights, std::span<const float> importance,
                        const QuantizerOptions& options, const AffineGroup* start) {
  if (is_flat(weights)) {
    return options.metadata_bits == 8 ? flat_group_in_bytes(weights[0], options.bits)
                                      : flat_group(weights[0]);
  }
  const AffineSolver solver(weights, importance, options.bits);
  return (start == nullptr ? solver.solve() : solver.descend(*start)).grid;
}

AffineGroup stored_grid(std::span<const float> weights, std::span<const float> importance,
                        int bits, AffineGroup fitted, const RowGrid& row) {
  if (is_flat(weights)) return row.rounded_flat(weights[0], fitted);
  const float scale = row.rounded_scale(fitted.scale);
  const AffineSolver solver(weights, importance, bits);
  return {scale, row.rounded_zero(solver.descend_zero(scale, fitted.zero).grid.zero)};
}

}  // namespace trine::compress
