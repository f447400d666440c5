// Times steps of a mixed and of a uniform layer of experts, among plain reads.
#pragma once

#include <trine/bench.h>

#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "kernels/kernel_table.h"

namespace trine::eval {

/// Of one step of each layer, the mixed one first, and the reads before, between and after them.
struct LayerTimes {
  std::vector<double> seconds{};       ///< mixed, uniform, mixed, uniform, …; not empty
  std::vector<double> active_bytes{};  ///< of these steps
  std::vector<double> reads{};         ///< bytes per second; one more than steps
};

/// Everything of a row that follows from the times.
void set_figures(const LayerTimes& times, LayerRow& row);

/// @param options possible ones; its threads and isa are not looked at.
[[nodiscard]] Result<LayerReport> measure_layer(const kernels::KernelTable& table, int threads,
                                                const LayerBenchOptions& options,
                                                const base::ProgressSink& progress);

}  // namespace trine::eval
