#include "compress/quantizers/affine_solver.h"

#include <cmath>

#include "kernels/lanes.h"

namespace trine::compress {
namespace {

constexpr int kMostSolverSteps = 24;

using kernels::kLanes;
using kernels::Lanes;

/// Σ code, code², code·weight, each times importance, of the nearest codes on one grid.
struct FloatSums {
  float code, code_code, code_weight;
};

/// @param count a multiple of 16.
TRINE_EVERY_WIDTH FloatSums sums_on_grid(const float* weights, const float* importance,
                                         std::size_t count, AffineGroup grid, float max_code) {
  const Lanes nothing = {}, magic = nothing + 0x1.8p23f, most = nothing + max_code;
  const float inverse = 1.0f / grid.scale;
  Lanes code = {}, code_code = {}, code_weight = {};
  for (std::size_t i = 0; i < count; i += kLanes) {
    Lanes weight, counts;
    kernels::load_lanes(weights + i, weight);
    kernels::load_lanes(importance + i, counts);
    const Lanes wanted = weight * inverse + grid.zero;
    const Lanes above = wanted > nothing ? wanted : nothing;
    const Lanes nearest = ((above < most ? above : most) + magic) - magic;
    const Lanes counted = nearest * counts;
    code += counted;
    code_code += counted * nearest;
    code_weight += counted * weight;
  }
  return {kernels::sum_of_lanes(code), kernels::sum_of_lanes(code_code),
          kernels::sum_of_lanes(code_weight)};
}

/// Shares of the range to start from. Few codes gain by clipping the tails, many do not.
std::span<const float> starting_shares(int bits) {
  static constexpr float kTwo[] = {1.0f, 0.85f, 0.72f, 0.62f, 0.52f, 0.42f};
  static constexpr float kThree[] = {1.0f, 0.92f, 0.84f, 0.76f, 0.68f, 0.6f};
  static constexpr float kFour[] = {1.0f, 0.95f, 0.9f, 0.85f, 0.8f, 0.74f};
  static constexpr float kMore[] = {1.0f, 0.98f, 0.95f, 0.92f};
  if (bits == 2) return kTwo;
  if (bits == 3) return kThree;
  if (bits == 4) return kFour;
  return kMore;
}

/// Where the grid lies between two codes, in steps.
constexpr float kPhases[] = {0.0f, 0.33f, -0.33f};

}  // namespace

AffineSolver::AffineSolver(std::span<const float> weights, std::span<const float> importance,
                           int bits)
    : padded_((weights.size() + kLanes - 1) / kLanes * kLanes),
      bits_(bits),
      max_code_(static_cast<float>((1 << bits) - 1)),
      range_(range_of(weights)) {
  for (std::size_t i = 0; i < weights.size(); ++i) {
    weights_[i] = weights[i];
    importance_[i] = importance.empty() ? 1.0f : importance[i];
    const double counts = static_cast<double>(importance_[i]);
    const double weight = static_cast<double>(weights[i]);
    total_ += counts;
    weight_ += counts * weight;
    weight_weight_ += counts * weight * weight;
  }
}

AffineSolver::Sums AffineSolver::sums(AffineGroup grid) const {
  const FloatSums sums =
      sums_on_grid(weights_.data(), importance_.data(), padded_, grid, max_code_);
  return {static_cast<double>(sums.code), static_cast<double>(sums.code_code),
          static_cast<double>(sums.code_weight)};
}

AffineGroup AffineSolver::least_squares(const Sums& sums) const {
  const double spread = total_ * sums.code_code - sums.code * sums.code;
  const double scale = (total_ * sums.code_weight - sums.code * weight_) / spread;
  const double offset = (weight_ - scale * sums.code) / total_;
  return {static_cast<float>(scale), static_cast<float>(-offset / scale)};
}

double AffineSolver::error_of(const Sums& sums, AffineGroup grid) const {
  const auto scale = static_cast<double>(grid.scale);
  const double offset = -scale * static_cast<double>(grid.zero);  // ŵ = scale · code + offset
  return weight_weight_ - 2.0 * (scale * sums.code_weight + offset * weight_) +
         scale * scale * sums.code_code + 2.0 * scale * offset * sums.code +
         offset * offset * total_;
}

double AffineSolver::error(AffineGroup grid) const { return error_of(sums(grid), grid); }

AffineSolver::Fit AffineSolver::descend(AffineGroup start) const {
  AffineGroup grid = start;
  Sums found = sums(grid);
  Fit best{grid, error_of(found, grid)};
  for (int step = 0; step < kMostSolverSteps; ++step) {
    grid = least_squares(found);
    if (!(grid.scale > 0.0f) || !is_storable(grid)) break;
    found = sums(grid);
    const double error = error_of(found, grid);
    if (!(error < best.error * (1.0 - 1e-6))) break;
    best = {grid, error};
  }
  return best;
}

AffineSolver::Fit AffineSolver::solve() const {
  const float width = (range_.high - range_.low) / max_code_;
  const float middle = (range_.high + range_.low) / 2.0f;
  Fit best;
  bool has_best = false;
  for (const float share : starting_shares(bits_)) {
    for (const float phase : kPhases) {
      const float scale = width * share;
      const AffineGroup start{scale, max_code_ / 2.0f - middle / scale + phase};
      if (!is_storable(start)) continue;
      const Fit fit = descend(start);
      if (has_best && !(fit.error < best.error)) continue;
      best = fit;
      has_best = true;
    }
  }
  if (!has_best) best.grid = min_max_group(range_, max_code_);
  if (!has_best) best.error = error(best.grid);
  return best;
}

AffineSolver::Fit AffineSolver::descend_zero(float scale, float zero) const {
  Fit best{{scale, zero}, error({scale, zero})};
  for (int step = 0; step < kMostSolverSteps; ++step) {
    const Sums found = sums(best.grid);
    const double wanted = (found.code - weight_ / static_cast<double>(scale)) / total_;
    const AffineGroup grid{scale, static_cast<float>(wanted)};
    if (!is_storable(grid)) break;
    const double now = error(grid);
    if (!(now < best.error * (1.0 - 1e-6))) break;
    best = {grid, now};
  }
  return best;
}

}  // namespace trine::compress
