#include <algorithm>
#include <cmath>

#include "eval/certificate_blocks.h"
#include "eval/certificate_bounds.h"

namespace trine::eval {
namespace {

/// silu is nowhere steeper.
constexpr double kSteepestSilu = 1.0999;

/// Roundings of silu(gate)·up in fp32, an exponential, a division and two products: 8 on each side.
constexpr double kActivationRounding = 16.0 * kRoundoff;

struct Hidden {
  BoundedOutputs gate{}, up{};
  std::vector<float> activations{};  ///< [tokens, intermediate size]
};

/// ‖δ(silu(g)·u)‖ element by element: silu over its interval, times the largest up, plus silu
/// times up's change. The inputs are the original's.
double change_by_elements(const Hidden& hidden, std::size_t token, std::size_t width,
                          BoundKind kind) {
  double squares = 0.0;
  for (std::size_t i = token * width; i < (token + 1) * width; ++i) {
    const double gate = hidden.gate.original[i];
    const double up_change = hidden.up.rows.values[kind][i];
    const double up = std::abs(double{hidden.up.original[i]}) + up_change;
    const double change = silu_change(gate, hidden.gate.rows.values[kind][i]) * up +
                          std::abs(silu(gate)) * up_change;
    squares += change * change;
  }
  return std::sqrt(squares);
}

/// The same by lengths: ‖δ(s·u)‖ ≤ 1.1·max|û|·‖δg‖ + max|s|·‖δu‖.
double change_by_lengths(const ExpertPair& expert, const Hidden& hidden, std::size_t token,
                         BoundKind kind, double radius) {
  const std::size_t width = expert.up.errors.rows;
  double largest_up = 0.0, largest_silu = 0.0;
  for (std::size_t row = 0; row < width; ++row) {
    const std::size_t i = token * width + row;
    largest_silu = std::max(largest_silu, std::abs(silu(hidden.gate.original[i])));
    largest_up = std::max(largest_up, std::abs(double{hidden.up.original[i]}) +
                                          hidden.up.rows.values[kind][i] +
                                          moved_row(expert.up.errors, row, radius));
  }
  const double gate = bound_part(expert.gate.errors, hidden.gate.rows, hidden.gate.inputs,
                                 token, 0, kind, radius);
  const double up =
      bound_part(expert.up.errors, hidden.up.rows, hidden.up.inputs, token, 0, kind, radius);
  return kSteepestSilu * largest_up * gate + largest_silu * up;
}

double activation_change(const ExpertPair& expert, const Hidden& hidden, std::size_t token,
                         BoundKind kind, double radius) {
  const std::size_t width = expert.up.errors.rows;
  double change = change_by_lengths(expert, hidden, token, kind, radius);
  if (radius == 0.0) {
    change = std::min(change, change_by_elements(hidden, token, width, kind));
  }
  const double length = norm_of({hidden.activations.data() + token * width, width});
  return change + kActivationRounding * (2.0 * length + change);
}

}  // namespace

ExpertBounds bound_expert(runtime::Compute& compute, const ExpertPair& expert,
                          const float* inputs, std::size_t num_tokens,
                          std::span<const Radii> moved, const BoundSettings& settings,
                          RowTally& tally) {
  Hidden hidden{bound_outputs(compute, expert.gate, inputs, num_tokens, settings, tally),
                bound_outputs(compute, expert.up, inputs, num_tokens, settings, tally)};
  hidden.activations.resize(hidden.gate.original.size());
#pragma omp parallel for num_threads(settings.threads) schedule(static)
  for (std::size_t i = 0; i < hidden.activations.size(); ++i) {
    const double up = hidden.up.original[i];
    hidden.activations[i] = static_cast<float>(silu(hidden.gate.original[i]) * up);
  }
  const BoundedOutputs down = bound_outputs(compute, expert.down, hidden.activations.data(),
                                            num_tokens, settings, tally);
  ExpertBounds bounds{std::vector<double>(num_tokens),
                      std::vector<Radii>(moved.size(), Radii(num_tokens))};
#pragma omp parallel for num_threads(settings.threads) schedule(static)
  for (std::size_t token = 0; token < num_tokens; ++token) {
    const std::size_t width = expert.down.errors.rows;
    bounds.lengths[token] = norm_of({down.original.data() + token * width, width});
    for (std::size_t set = 0; set < moved.size(); ++set) {
      for (std::size_t index = 0; index < kBoundKinds; ++index) {
        const auto kind = static_cast<BoundKind>(index);
        const double change =
            activation_change(expert, hidden, token, kind, moved[set][token][kind]);
        bounds.changes[set][token][kind] =
            bound_part(expert.down.errors, down.rows, down.inputs, token, 0, kind, change);
      }
    }
  }
  return bounds;
}

double largest_expert_output(const ExpertPair& expert, double length) {
  // |silu(g)| ≤ |g|, and the length of a product of elements is at most that of the lengths.
  const double hidden =
      largest_output(expert.gate.errors, length) * largest_output(expert.up.errors, length);
  return largest_output(expert.down.errors, hidden * (1.0 + kActivationRounding));
}

}  // namespace trine::eval
