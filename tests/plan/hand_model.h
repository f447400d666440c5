// A small model whose statistics are chosen by hand.
#pragma once

#include <string>
#include <vector>

#include "core/error_table.h"
#include "core/statistics.h"
#include "plan/weight_statistics.h"
#include "support/memory_weights.h"

namespace trine::plan {

/// Two layers of four experts. In layer 1 everything is turned round, so that a test that mixes
/// layers up fails.
struct HandModel {
  ModelSpec spec = testing_support::small_spec();
  WeightStatistics weights{};
  ModelStatistics statistics{};
  ErrorTable errors{};

  HandModel() {
    for (std::size_t layer = 0; layer < 2; ++layer) {
      weights.routers[layer] = {.norms = turned({4, 3, 2, 1}, layer),
                                .centred_norms = turned({2, 1, 4, 3}, layer),
                                .norm_changes = turned({0.5, 0.25, 1, 0.75}, layer)};
      auto& routing = statistics.routing[layer];
      routing.tokens = 100;
      for (const double count : turned({10, 80, 60, 50}, layer)) {
        routing.expert_counts.push_back(static_cast<std::uint64_t>(count));
      }
      routing.weight_sums = turned({9, 8, 30, 20}, layer);
      for (std::size_t expert = 0; expert < 4; ++expert) add_expert(layer, expert);
    }
  }

  /// `values` forwards in layer 0, backwards in layer 1.
  static std::vector<double> turned(std::vector<double> values, std::size_t layer) {
    if (layer == 1) values = {values.rbegin(), values.rend()};
    return values;
  }

 private:
  void add_expert(std::size_t layer, std::size_t expert) {
    const ExpertSpec& matrices = spec.layers[layer].moe->experts[expert];
    const double variance = turned({1, 2, 3.5, 1}, layer)[expert];
    const double kurtosis = turned({0, 1, 2, 3}, layer)[expert];
    weights.matrices[matrices.gate_proj.name] = {.excess_kurtosis = kurtosis,
                                                 .max_row_variance = variance,
                                                 .largest_row_variance = 10 - variance};
    weights.matrices[matrices.up_proj.name] = {.excess_kurtosis = kurtosis,
                                               .max_row_variance = 3.0};
    weights.matrices[matrices.down_proj.name] = {.excess_kurtosis = kurtosis + 3.0,
                                                 .max_row_variance = 100.0};
    const double error = turned({3, 1, 2, 4}, layer)[expert];
    for (const MatrixSpec* matrix :
         {&matrices.gate_proj, &matrices.up_proj, &matrices.down_proj}) {
      ErrorRow row{.name = matrix->name, .role = matrix->role, .layer = layer};
      row.squared_norm = 10.0;
      row.output_power = 5.0;
      row.use = turned({0.1, 0.8, 0.6, 0.5}, layer)[expert];
      row.candidates = {{.plan = {.bits = 3}, .weight_error = 0.1, .output_error = 0.1},
                        {.plan = {.bits = 2, .rank = 16}, .weight_error = 0.2},
                        {.plan = {.bits = 2}, .weight_error = error, .output_error = error}};
      errors.push_back(row);
    }
  }
};

}  // namespace trine::plan
