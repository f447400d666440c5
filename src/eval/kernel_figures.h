// From measured times to the figures of a row.
#pragma once

#include <trine/bench.h>

#include <vector>

namespace trine::eval {

/// What was measured for one row.
struct RowTimes {
  std::vector<double> seconds{};  ///< of one matrix, one value per run; not empty
  /// Bytes per second of the plain reads before and after each run: one more than runs; empty for
  /// weights in the cache.
  std::vector<double> reads{};
  double clock_hertz = 0.0;
  double peak_per_second = 0.0;  ///< of the row's threads; 0: there is no such loop
};

/// Fills in everything of `row` that follows from the times; shape, batch, threads and
/// stored_bytes must be there. @param num_digits of each input value.
void set_figures(const RowTimes& times, int num_digits, KernelRow& row);

}  // namespace trine::eval
