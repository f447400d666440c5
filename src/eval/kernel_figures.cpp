#include "eval/kernel_figures.h"

#include "eval/timing.h"

namespace trine::eval {

void set_figures(const RowTimes& times, int num_digits, KernelRow& row) {
  const auto bytes = static_cast<double>(row.stored_bytes);
  row.runs = times.seconds.size();
  row.seconds = median(times.seconds);
  row.spread = relative_spread(times.seconds);
  row.bytes_per_second = bytes / row.seconds;
  if (!times.reads.empty()) {
    std::vector<double> shares;
    for (std::size_t run = 0; run < times.seconds.size(); ++run) {
      const double around = (times.reads[run] + times.reads[run + 1]) / 2.0;
      shares.push_back(bytes / times.seconds[run] / around);
    }
    row.read_bandwidth = median(times.reads);
    row.read_share = median(shares);
  }
  const auto weights =
      static_cast<double>(row.shape.out_features) * static_cast<double>(row.shape.in_features);
  row.weights_per_clock = weights / row.seconds / times.clock_hertz / row.threads;
  row.operations_per_second =
      2.0 * weights * static_cast<double>(row.batch) * num_digits / row.seconds;
  row.integer_dot_per_second = times.integer_dot_per_second;
  if (times.integer_dot_per_second > 0.0) {
    row.integer_dot_share = row.operations_per_second / times.integer_dot_per_second;
  }
}

}  // namespace trine::eval
