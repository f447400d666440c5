#include "eval/kernel_rows.h"

#include <algorithm>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "eval/kernel_figures.h"
#include "eval/kernel_subject.h"
#include "eval/large_buffer.h"
#include "eval/machine_rates.h"
#include "eval/plain_reads.h"
#include "eval/timing.h"

namespace trine::eval {
namespace {

/// How long a row is measured.
struct Effort {
  double run_seconds;  ///< of one run; a run is at least one matrix
  double row_seconds;  ///< above this there are fewer runs
  std::size_t most_runs, least_runs;
  std::size_t
      read_bytes;  ///< of each plain read beside the runs: at least 4 × a cache of 32 MiB
};

constexpr Effort kFull{0.02, 6.0, 15, 5, std::size_t{128} << 20};
constexpr Effort kQuick{0.002, 0.1, 5, 3, std::size_t{16} << 20};

/// What a row repeats, on the threads that it is a row of.
struct RowWork {
  std::function<void(std::size_t)> multiply;  ///< the matrix of an index with the batch
  std::function<double(std::span<const std::uint8_t>)> read_seconds;  ///< of a plain read
};

/// Runs all rows of a report.
class Measurement {
 public:
  Measurement(const kernels::KernelTable& table, int threads, const KernelBenchOptions& options,
              kernels::InputForm form, const base::ProgressSink& progress)
      : table_(table),
        threads_(threads),
        options_(options),
        form_(form),
        effort_(options.quick ? kQuick : kFull),
        loops_(kernels::peak_loops_of(table.name)),
        progress_(progress) {
    if (threads > 1) thread_counts_.push_back(threads);
    const std::size_t layouts = options.bits.size() * options.metadata_bits.size();
    const std::size_t rows = options.batches.size() * thread_counts_.size();
    total_ = layouts * rows * (2 * options.shapes.size() + options.cached_shapes.size());
  }

  Result<KernelReport> run() {
    KernelReport report{.isa = std::string(table_.name),
                        .threads = threads_,
                        .activations = options_.activations,
                        .group_size = options_.group_size,
                        .peak_instruction = std::string(peak().instruction),
                        .buffer_bytes = uncached_bytes(options_.quick)};
    for (const int bits : options_.bits) {
      for (const int metadata_bits : options_.metadata_bits) {
        for (const bool is_cached : {false, true}) {
          const auto& shapes = is_cached ? options_.cached_shapes : options_.shapes;
          for (const MatrixShape& shape : shapes) {
            const PackedLayout layout{shape.out_features, shape.in_features, bits,
                                      options_.group_size, metadata_bits};
            TRINE_RETURN_IF_ERROR(measure_layout(layout, is_cached, report));
          }
        }
      }
    }
    report.clock_hertz = median(clocks_);
    return report;
  }

 private:
  /// Whether bf16 inputs are multiplied as they are: where the processor has dot products of them,
  /// the table that has their peak loop uses them. Elsewhere they are two digits.
  [[nodiscard]] bool multiplies_bf16() const noexcept {
    return form_ == kernels::InputForm::kBf16 && loops_.bf16_dot.exists();
  }
  [[nodiscard]] const kernels::PeakLoop& peak() const noexcept {
    return multiplies_bf16() ? loops_.bf16_dot : loops_.integer_dot;
  }
  [[nodiscard]] int num_digits() const noexcept {
    return multiplies_bf16() ? 1 : kernels::digits_of(form_);
  }

  Status measure_layout(const PackedLayout& layout, bool is_cached, KernelReport& report) {
    const std::size_t rank = is_cached ? 0 : options_.rank;
    const std::size_t one = RandomMatrices::bytes_of_one(layout, rank);
    TRINE_ASSIGN_OR_RETURN(
        const LargeBuffer buffer,
        LargeBuffer::allocate(is_cached ? one : std::max(report.buffer_bytes, one)));
    const std::size_t most = is_cached ? 1 : report.buffer_bytes / one + 1;
    const Subject subject(table_, layout, rank, buffer.bytes(), most, threads_);
    TRINE_ASSIGN_OR_RETURN(const auto linears, subject.linears());
    for (const std::size_t tokens : options_.batches) {
      Batch batch = make_batch(table_, layout, tokens, form_);
      for (const int threads : thread_counts_) {
        KernelRow row{.is_cached = is_cached,
                      .bits = layout.bits,
                      .shape = {layout.out_features, layout.in_features},
                      .batch = tokens,
                      .threads = threads,
                      .metadata_bits = layout.metadata_bits,
                      .stored_bytes = layout.total_bytes()};
        const RowWork kernel{
            [&](std::size_t index) { subject.run_kernel(index, threads, batch); },
            [&](std::span<const std::uint8_t> bytes) {
              return read_seconds(table_, bytes, threads);
            }};
        report.rows.push_back(measure_row(row, subject.matrices(), batch, kernel));
        if (is_cached) continue;
        row.is_engine = true;
        row.rank = rank;
        row.stored_bytes = one;
        runtime::Compute compute(table_, threads);
        compute.set_input_form(form_);
        const RowWork engine{[&](std::size_t index) {
                               const runtime::LinearCall call{&linears[index % linears.size()],
                                                              batch.outputs.data()};
                               runtime::multiply(compute, std::span(&call, 1),
                                                 batch.inputs.data(), tokens);
                             },
                             [&](std::span<const std::uint8_t> bytes) {
                               return read_seconds_of(compute, bytes, folded_);
                             }};
        report.rows.push_back(measure_row(row, subject.matrices(), batch, engine));
      }
    }
    return {};
  }

  KernelRow measure_row(KernelRow row, const RandomMatrices& matrices, const Batch& batch,
                        const RowWork& work) {
    const auto& run = work.multiply;
    run(0);
    row.relative_error = sampled_error(matrices[0], row.rank > 0, batch.inputs, batch.outputs);
    const double once = seconds_of([&] { run(1); });
    const auto per_run =
        static_cast<std::size_t>(std::clamp(effort_.run_seconds / once, 1.0, 1e6));
    const double expected = once * static_cast<double>(per_run);
    const auto runs = static_cast<std::size_t>(
        std::clamp(effort_.row_seconds / expected, static_cast<double>(effort_.least_runs),
                   static_cast<double>(effort_.most_runs)));
    RowTimes times{.clock_hertz = measure_clock(),
                   .peak_per_second = measure_peak(peak(), row.threads)};
    std::size_t next = 2;
    if (!row.is_cached)
      times.reads.push_back(read_rate(matrices, effort_.read_bytes, next, work));
    for (std::size_t i = 0; i < runs; ++i) {
      const double seconds = seconds_of([&] {
        for (std::size_t k = 0; k < per_run; ++k) run(next + k);
      });
      times.seconds.push_back(seconds / static_cast<double>(per_run));
      next += per_run;
      if (!row.is_cached)
        times.reads.push_back(read_rate(matrices, effort_.read_bytes, next, work));
    }
    // Once more at the end: the better of two is nearer to what an undisturbed core does.
    times.clock_hertz = std::max(times.clock_hertz, measure_clock());
    times.peak_per_second = std::max(times.peak_per_second, measure_peak(peak(), row.threads));
    clocks_.push_back(times.clock_hertz);
    set_figures(times, num_digits(), row);
    report_progress(row);
    return row;
  }

  /// Bytes per second of a plain read that begins half the buffer away from matrix `next`, so that
  /// neither finds in the cache what the other left there.
  [[nodiscard]] static double read_rate(const RandomMatrices& matrices, std::size_t length,
                                        std::size_t next, const RowWork& work) {
    const std::span<const std::uint8_t> all = matrices.bytes();
    length = std::min(length, all.size());
    const std::size_t matrix_bytes = all.size() / matrices.size();
    const std::size_t away =
        (next % matrices.size() * matrix_bytes + all.size() / 2) % all.size();
    const std::size_t start = std::min(away, all.size() - length) / kLineBytes * kLineBytes;
    return static_cast<double>(length) / work.read_seconds(all.subspan(start, length));
  }

  void report_progress(const KernelRow& row) {
    ++done_;
    if (!progress_) return;
    progress_(
        {fmt::format("{} bits, {}x{}, batch {}, {} threads", row.bits, row.shape.out_features,
                     row.shape.in_features, row.batch, row.threads),
         done_, total_});
  }

  const kernels::KernelTable& table_;
  int threads_;
  const KernelBenchOptions& options_;
  kernels::InputForm form_;
  Effort effort_;
  kernels::PeakLoops loops_;
  const base::ProgressSink& progress_;
  std::vector<int> thread_counts_{1};
  std::vector<double> clocks_{};
  std::uint64_t done_ = 0, total_ = 0;
  std::vector<std::uint64_t> folded_{};  ///< of reads by an engine's threads
};

}  // namespace

Result<KernelReport> measure_kernels(const kernels::KernelTable& table, int threads,
                                     const KernelBenchOptions& options,
                                     const base::ProgressSink& progress) {
  TRINE_ASSIGN_OR_RETURN(const kernels::InputForm form,
                         kernels::input_form_named(options.activations));
  return Measurement(table, threads, options, form, progress).run();
}

}  // namespace trine::eval
