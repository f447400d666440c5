#include "eval/machine_rates.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "base/random.h"
#include "eval/large_buffer.h"
#include "eval/timing.h"
#include "kernels/linalg/dense_algebra.h"

namespace trine::eval {
namespace {

struct ReadRates {
  double median = 0.0;
  double best = 0.0;
};

/// Pages of zeros would be shared, one for all.
Result<LargeBuffer> filled_buffer(std::size_t bytes) {
  TRINE_ASSIGN_OR_RETURN(LargeBuffer buffer, LargeBuffer::allocate(bytes));
  std::memset(buffer.bytes().data(), 1, buffer.bytes().size());
  return buffer;
}

ReadRates measure_reads(const kernels::KernelTable& table, std::span<const std::uint8_t> bytes,
                        int passes, int threads) {
  static_cast<void>(read_seconds(table, bytes, threads));  // faults and wakes
  std::vector<double> rates;
  for (int pass = 0; pass < passes; ++pass) {
    rates.push_back(static_cast<double>(bytes.size()) / read_seconds(table, bytes, threads));
  }
  return {median(rates), *std::max_element(rates.begin(), rates.end())};
}

PeakRate measure_peaks(const kernels::PeakLoop& loop, int threads) {
  return {std::string(loop.instruction), {measure_peak(loop, 1), measure_peak(loop, threads)}};
}

/// Counts the steps of a measurement for the outside.
class MachineSteps {
 public:
  MachineSteps(const base::ProgressSink& progress, std::uint64_t total)
      : progress_(progress), total_(total) {}

  void done(std::string_view item) {
    ++done_;
    if (progress_) progress_({item, done_, total_});
  }

 private:
  const base::ProgressSink& progress_;
  std::uint64_t total_, done_ = 0;
};

}  // namespace

double measure_clock() {
  constexpr std::uint64_t kAdds = std::uint64_t{1} << 20;
  const double seconds =
      shortest_seconds(kPeakCalls, [] { kernels::run_dependent_adds(kAdds); });
  return static_cast<double>(kAdds) / seconds;
}

double measure_peak(const kernels::PeakLoop& loop, int threads) {
  if (!loop.exists()) return 0.0;
  constexpr std::uint64_t kPeakSteps = 100'000;
  // With several threads the team's start is timed too: ten times as much work hides it.
  const std::uint64_t steps = threads == 1 ? kPeakSteps : 10 * kPeakSteps;
  const double seconds = shortest_seconds(kPeakCalls, [&] {
#pragma omp parallel num_threads(threads)
    loop.run(steps);
  });
  return loop.operations_per_step * static_cast<double>(steps) * threads / seconds;
}

double read_seconds(const kernels::KernelTable& table, std::span<const std::uint8_t> bytes,
                    int threads) {
  const auto parts = static_cast<std::size_t>(threads);
  std::uint64_t folded = 0;
  const double seconds = seconds_of([&] {
#pragma omp parallel for num_threads(threads) schedule(static) reduction(^ : folded)
    for (std::size_t part = 0; part < parts; ++part) {
      const std::size_t begin = bytes.size() * part / parts / 128 * 128;
      const std::size_t end = bytes.size() * (part + 1) / parts / 128 * 128;
      folded ^= table.read_all(bytes.data() + begin, end - begin);
    }
  });
  // The fold is used, so that the reads cannot be optimised away.
  return folded == 1 ? seconds + 1e-12 : seconds;
}

double measure_sgemm(std::size_t size, int runs, int threads) {
  base::Random random(1);
  std::vector<float> left(size * size), right(size * size), product(size * size);
  for (float& value : left) value = static_cast<float>(random.uniform() - 0.5);
  for (float& value : right) value = static_cast<float>(random.uniform() - 0.5);
  const auto multiply = [&] {
    kernels::multiply_parallel({size, size, size}, {left.data(), size}, {right.data(), size},
                               {}, {product.data(), size}, threads);
  };
  multiply();  // OpenBLAS allocates at its first call
  std::vector<double> seconds;
  for (int run = 0; run < runs; ++run) seconds.push_back(seconds_of(multiply));
  const auto side = static_cast<double>(size);
  return 2.0 * side * side * side / median(seconds);
}

Result<MachineReport> measure_machine(const kernels::KernelTable& table, int threads,
                                      const MachineOptions& options,
                                      const base::ProgressSink& progress) {
  MachineSteps steps(progress, 5);
  const int passes = options.quick ? 5 : 15;
  MachineReport report{.isa = std::string(table.name),
                       .threads = threads,
                       .last_level_cache_bytes = last_level_cache_bytes(),
                       .read_buffer_bytes = uncached_bytes(options.quick)};
  TRINE_ASSIGN_OR_RETURN(const LargeBuffer buffer, filled_buffer(report.read_buffer_bytes));
  report.clock_hertz = measure_clock();
  steps.done("clock");
  const ReadRates one = measure_reads(table, buffer.bytes(), passes, 1);
  steps.done("reads, one thread");
  const ReadRates all = measure_reads(table, buffer.bytes(), passes, threads);
  steps.done("reads, all threads");
  report.read_bandwidth = {one.median, all.median};
  report.best_read_bandwidth = {one.best, all.best};
  const kernels::PeakLoops loops = kernels::peak_loops_of(table.name);
  report.integer_dot = measure_peaks(loops.integer_dot, threads);
  report.multiply_add = measure_peaks(loops.multiply_add, threads);
  report.bf16_dot = measure_peaks(loops.bf16_dot, threads);
  steps.done("register loops");
  report.sgemm_size = options.quick ? 512 : 2048;
  const int products = options.quick ? 3 : 7;
  report.sgemm = {measure_sgemm(report.sgemm_size, products, 1),
                  measure_sgemm(report.sgemm_size, products, threads)};
  steps.done("sgemm");
  return report;
}

}  // namespace trine::eval
