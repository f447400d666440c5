#include "eval/kernel_figures.h"

#include "eval/plain_reads.h"
#include "eval/timing.h"

namespace trine::eval {

void set_figures(const RowTimes& times, int num_digits, KernelRow& row) {
  const auto bytes = static_cast<double>(row.stored_bytes);
  row.runs = times.seconds.size();
  row.seconds = median(times.seconds);
  row.spread = relative_spread(times.seconds);
  row.bytes_per_second = bytes / row.seconds;
  if (!times.reads.empty()) {
    std::vector<double> rates;
    for (const double seconds : times.seconds) rates.push_back(bytes / seconds);
    row.read_bandwidth = median(times.reads);
    row.read_share = median(shares_of_reads(rates, times.reads));
  }
  const auto weights =
      static_cast<double>(row.shape.out_features) * static_cast<double>(row.shape.in_features);
  row.weights_per_clock = weights / row.seconds / times.clock_hertz / row.threads;
  row.operations_per_second =
      2.0 * weights * static_cast<double>(row.batch) * num_digits / row.seconds;
  row.peak_per_second = times.peak_per_second;
  if (times.peak_per_second > 0.0) {
    row.peak_share = row.operations_per_second / times.peak_per_second;
  }
}

}  // namespace trine::eval
