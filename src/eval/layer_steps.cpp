#include "eval/layer_steps.h"

#include <array>
#include <numeric>
#include <string>
#include <utility>

#include "base/random.h"
#include "eval/layer_mix.h"
#include "eval/layer_subject.h"
#include "eval/plain_reads.h"
#include "eval/timing.h"
#include "runtime/compute.h"

namespace trine::eval {
namespace {

/// Steps of each layer: at 10 ms for a step and a read 150 of both take 3 s.
constexpr std::size_t kSteps = 150, kQuickSteps = 12;
/// Steps that are not counted: threads start, scratch memory grows.
constexpr std::size_t kWarmUpSteps = 2;

/// What one step is given: inputs of its own, and experts drawn among all.
class LayerSteps {
 public:
  LayerSteps(const LayerBenchOptions& options, std::size_t batch)
      : options_(options),
        batch_(batch),
        order_(options.num_experts),
        inputs_(batch * options.hidden_size) {
    std::iota(order_.begin(), order_.end(), 0);
    routing_.experts_per_token = options.experts_per_token;
  }

  /// Others than before.
  void draw() {
    for (float& value : inputs_) value = static_cast<float>(random_.normal());
    routing_.experts.clear();
    for (std::size_t token = 0; token < batch_; ++token) {
      for (std::size_t slot = 0; slot < options_.experts_per_token; ++slot) {
        const std::size_t other = slot + random_.next() % (order_.size() - slot);
        std::swap(order_[slot], order_[other]);
        routing_.experts.push_back(order_[slot]);
      }
    }
  }

  [[nodiscard]] const float* inputs() const noexcept { return inputs_.data(); }
  [[nodiscard]] const runtime::Routing& routing() const noexcept { return routing_; }
  [[nodiscard]] std::size_t batch() const noexcept { return batch_; }

 private:
  const LayerBenchOptions& options_;
  std::size_t batch_;
  std::vector<std::int32_t> order_;
  std::vector<float> inputs_;
  runtime::Routing routing_{};
  base::Random random_{1};
};

/// Runs all rows of a report.
class Measurement {
 public:
  Measurement(const kernels::KernelTable& table, int threads, const LayerBenchOptions& options,
              kernels::InputForm form, const base::ProgressSink& progress)
      : table_(table), threads_(threads), options_(options), form_(form), progress_(progress) {
    if (threads > 1) thread_counts_.push_back(threads);
  }

  Result<LayerReport> run() {
    LayerReport report{.isa = std::string(table_.name),
                       .threads = threads_,
                       .mixed = mixed_experts(options_),
                       .uniform = uniform_experts(options_),
                       .read_buffer_bytes = uncached_bytes(options_.quick)};
    for (const LayerExpert& expert : report.mixed) report.mixed_bytes += expert.stored_bytes;
    for (const LayerExpert& expert : report.uniform)
      report.uniform_bytes += expert.stored_bytes;
    TRINE_ASSIGN_OR_RETURN(PlainReads reads, PlainReads::allocate(options_.quick));
    TRINE_ASSIGN_OR_RETURN(const LayerSubject mixed,
                           LayerSubject::make(options_, report.mixed, 1, threads_));
    TRINE_ASSIGN_OR_RETURN(const LayerSubject uniform,
                           LayerSubject::make(options_, report.uniform, 1u << 20, threads_));
    const std::size_t total = options_.batches.size() * thread_counts_.size();
    for (const std::size_t batch : options_.batches) {
      for (const int threads : thread_counts_) {
        LayerRow row{.batch = batch, .threads = threads};
        set_figures(times_of({&mixed, &uniform}, batch, threads, reads), row);
        report.rows.push_back(row);
        if (!progress_) continue;
        progress_(
            {fmt::format("batch {}, {} threads", batch, threads), report.rows.size(), total});
      }
    }
    return report;
  }

 private:
  /// Both layers take the same experts, so that chance does not give one of them fewer bytes.
  LayerTimes times_of(const std::array<const LayerSubject*, 2>& layers, std::size_t batch,
                      int threads, PlainReads& reads) const {
    runtime::Compute compute(table_, threads);
    compute.set_input_form(form_);
    LayerSteps steps(options_, batch);
    LayerTimes times;
    std::vector<float> outputs;
    const std::size_t count = kWarmUpSteps + (options_.quick ? kQuickSteps : kSteps);
    for (std::size_t step = 0; step < count; ++step) {
      steps.draw();
      if (step <= kWarmUpSteps) {
        times = {};
        times.reads.push_back(reads.read(compute));
      }
      for (const LayerSubject* layer : layers) {
        times.seconds.push_back(seconds_of([&] {
          static_cast<void>(layer->experts().apply(compute, steps.inputs(), batch, outputs,
                                                   &steps.routing()));
        }));
        times.active_bytes.push_back(
            static_cast<double>(layer->active_bytes(steps.routing().experts)));
        times.reads.push_back(reads.read(compute));
      }
    }
    return times;
  }

  const kernels::KernelTable& table_;
  int threads_;
  const LayerBenchOptions& options_;
  kernels::InputForm form_;
  const base::ProgressSink& progress_;
  std::vector<int> thread_counts_{1};
};

/// Every second value, beginning with `first`.
std::vector<double> every_second(const std::vector<double>& values, std::size_t first) {
  std::vector<double> chosen;
  for (std::size_t i = first; i < values.size(); i += 2) chosen.push_back(values[i]);
  return chosen;
}

LayerFigures figures_of(const LayerTimes& times, const std::vector<double>& rates,
                        std::size_t first) {
  const std::vector<double> bytes = every_second(times.active_bytes, first);
  const ReadShare share =
      summary(every_second(shares_of_reads(rates, times.reads), first), times.reads);
  return {.seconds = median(every_second(times.seconds, first)),
          .active_bytes = std::accumulate(bytes.begin(), bytes.end(), 0.0) /
                          static_cast<double>(bytes.size()),
          .bytes_per_second = median(every_second(rates, first)),
          .read_share = share.median,
          .read_share_first_quartile = share.first_quartile,
          .read_share_third_quartile = share.third_quartile};
}

}  // namespace

void set_figures(const LayerTimes& times, LayerRow& row) {
  std::vector<double> rates, ratios;
  for (std::size_t step = 0; step < times.seconds.size(); ++step) {
    rates.push_back(times.active_bytes[step] / times.seconds[step]);
    if (step % 2 == 1) ratios.push_back(rates[step] / rates[step - 1]);
  }
  row.steps = ratios.size();
  row.read_bandwidth = median(times.reads);
  row.mixed = figures_of(times, rates, 0);
  row.uniform = figures_of(times, rates, 1);
  row.time_per_byte = median(ratios);
  row.time_per_byte_first_quartile = quantile(ratios, 0.25);
  row.time_per_byte_third_quartile = quantile(ratios, 0.75);
}

Result<LayerReport> measure_layer(const kernels::KernelTable& table, int threads,
                                  const LayerBenchOptions& options,
                                  const base::ProgressSink& progress) {
  TRINE_ASSIGN_OR_RETURN(const kernels::InputForm form,
                         kernels::input_form_named(options.activations));
  return Measurement(table, threads, options, form, progress).run();
}

}  // namespace trine::eval
