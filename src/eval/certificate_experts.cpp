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
  std::vector<float> activations{};         ///< [tokens, intermediate size]
  std::vector<float> packed_activations{};  ///< of the packed expert on the same inputs
};

std::vector<float> activate(const std::vector<float>& gate, const std::vector<float>& up,
                            int threads) {
  std::vector<float> activations(gate.size());
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t i = 0; i < gate.size(); ++i) {
    activations[i] = static_cast<float>(silu(gate[i]) * up[i]);
  }
  return activations;
}

/// ‖δ(silu(g)·u)‖ element by element: silu over its interval, times the largest up, plus silu
/// times up's change. The inputs are the original's.
double change_by_elements(const Hidden& hidden, std::size_t token, std::size_t width,
                          BoundKind kind) {
  double squares = 0.0;
  for (std::size_t i = token * width; i < (token + 1) * width; ++i) {
    const double gate = hidden.gate.center(kind)[i];
    const double up_change = hidden.up.rows.at(kind, i);
    const double up = std::abs(double{hidden.up.center(kind)[i]}) + up_change;
    const double change =
        silu_change(gate, hidden.gate.rows.at(kind, i)) * up + std::abs(silu(gate)) * up_change;
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
    largest_silu = std::max(largest_silu, std::abs(silu(hidden.gate.center(kind)[i])));
    const double change = kind == kBlockBound
                              ? row_rounding(expert.up.errors, hidden.up.inputs, token, row)
                              : hidden.up.rows.at(kind, i);
    largest_up = std::max(largest_up, std::abs(double{hidden.up.center(kind)[i]}) + change +
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
  const auto& activations =
      kind == kBlockBound ? hidden.packed_activations : hidden.activations;
  const double length = norm_of({activations.data() + token * width, width});
  return change + kActivationRounding * (2.0 * length + change);
}

}  // namespace

ExpertBounds bound_expert(runtime::Compute& compute, const ExpertPair& expert,
                          const float* inputs, std::size_t num_tokens,
                          std::span<const Radii> moved, const BoundSettings& settings,
                          RowTally& tally) {
  Hidden hidden{bound_outputs(compute, expert.gate, inputs, num_tokens, settings, tally),
                bound_outputs(compute, expert.up, inputs, num_tokens, settings, tally)};
  hidden.activations = activate(hidden.gate.original, hidden.up.original, settings.threads);
  hidden.packed_activations = activate(hidden.gate.packed, hidden.up.packed, settings.threads);
  const BoundedOutputs down = bound_outputs(compute, expert.down, hidden.activations.data(),
                                            num_tokens, settings, tally);
  const std::size_t width = expert.down.errors.rows;
  std::vector<float> packed(num_tokens * width);
  runtime::multiply(compute,
                    std::array{runtime::LinearCall{&expert.down.packed, packed.data()}},
                    hidden.packed_activations.data(), num_tokens);
  const InputSizes packed_inputs =
      measure_inputs(hidden.packed_activations.data(), num_tokens, expert.down.errors.cols,
                     expert.down.errors.group_size);
  ExpertBounds bounds{std::vector<double>(num_tokens), std::vector<double>(num_tokens),
                      std::vector<Radii>(moved.size(), Radii(num_tokens))};
#pragma omp parallel for num_threads(settings.threads) schedule(static)
  for (std::size_t token = 0; token < num_tokens; ++token) {
    bounds.lengths[token] = norm_of({down.original.data() + token * width, width});
    bounds.packed_lengths[token] = norm_of({packed.data() + token * width, width});
    for (std::size_t set = 0; set < moved.size(); ++set) {
      for (std::size_t index = 0; index < kCarriedKinds; ++index) {
        const auto kind = static_cast<BoundKind>(index);
        const InputSizes& inputs_down = kind == kBlockBound ? packed_inputs : down.inputs;
        const double change =
            activation_change(expert, hidden, token, kind, moved[set][token][kind]);
        bounds.changes[set][token][kind] =
            bound_part(expert.down.errors, down.rows, inputs_down, token, 0, kind, change);
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
