#include "calibrate/calibration.h"

#include <algorithm>
#include <limits>
#include <span>

#include "calibrate/collector.h"
#include "runtime/kv_cache.h"

namespace trine::calibrate {
namespace {

/// Tokens run through the model together; several windows fill one batch.
constexpr std::size_t kBatchTokens = 1024;

/// Token ids that were read and not yet used.
class TokenBuffer {
 public:
  explicit TokenBuffer(TokenSource& source) : source_(source) {}

  /// Reads on until there are `count` tokens or the text ends.
  Status fill(std::size_t count) {
    while (!has_ended_ && token_ids_.size() - used_ < count) {
      TRINE_ASSIGN_OR_RETURN(const std::vector<std::int32_t> piece, source_.next());
      has_ended_ = piece.empty();
      token_ids_.erase(token_ids_.begin(),
                       token_ids_.begin() + static_cast<std::ptrdiff_t>(used_));
      used_ = 0;
      token_ids_.insert(token_ids_.end(), piece.begin(), piece.end());
    }
    return {};
  }
  [[nodiscard]] std::span<const std::int32_t> unused() const {
    return std::span(token_ids_).subspan(used_);
  }
  void use(std::size_t count) { used_ += count; }

 private:
  TokenSource& source_;
  std::vector<std::int32_t> token_ids_{};
  std::size_t used_ = 0;
  bool has_ended_ = false;
};

/// The observer must not outlive the collector, whatever way the function is left.
class Observation {
 public:
  Observation(runtime::Engine& engine, StatisticsCollector& collector) : engine_(engine) {
    engine_.set_input_observer(&collector);
  }
  Observation(const Observation&) = delete;
  Observation& operator=(const Observation&) = delete;
  ~Observation() { engine_.set_input_observer(nullptr); }

 private:
  runtime::Engine& engine_;
};

Status check_options(const CalibrationOptions& options, const ModelSpec& spec) {
  if (options.window < 1) {
    return fail(ErrorCode::kInvalidArgument, "window is 0, expected at least 1 token");
  }
  if (options.max_tokens > 0 && options.max_tokens < options.window) {
    return fail(ErrorCode::kInvalidArgument, "tokens is {}, expected at least one window of {}",
                options.max_tokens, options.window);
  }
  const std::uint64_t bytes = moment_bytes(input_sites(spec), options.moments);
  if (bytes > options.memory_bytes) {
    return fail(ErrorCode::kInvalidArgument,
                "the {} moments of this model take {} bytes, the memory limit is {} bytes; "
                "raise the limit or choose smaller moments",
                name_of(options.moments), bytes, options.memory_bytes);
  }
  return {};
}

/// Runs `token_ids`, whole windows, each from an empty cache.
Status run_windows(runtime::Engine& engine, StatisticsCollector& collector,
                   std::span<const std::int32_t> token_ids, std::size_t window) {
  const std::size_t num_windows = token_ids.size() / window;
  std::vector<runtime::KvCache> caches(num_windows, runtime::KvCache(engine.spec()));
  std::vector<runtime::SequenceStep> steps;
  for (std::size_t i = 0; i < num_windows; ++i) {
    steps.push_back({token_ids.subspan(i * window, window), &caches[i]});
  }
  runtime::RoutingTrace trace;
  TRINE_RETURN_IF_ERROR(engine.forward(steps, {&trace}));
  collector.add_routing(trace, token_ids.size());
  return {};
}

}  // namespace

Result<Calibration> collect_statistics(runtime::Engine& engine, TokenSource& source,
                                       const CalibrationOptions& options,
                                       const base::ProgressSink& progress) {
  TRINE_RETURN_IF_ERROR(check_options(options, engine.spec()));
  const std::uint64_t most_windows = options.max_tokens > 0
                                         ? options.max_tokens / options.window
                                         : std::numeric_limits<std::uint64_t>::max();
  const std::size_t per_batch = std::max<std::size_t>(1, kBatchTokens / options.window);
  StatisticsCollector collector(engine.spec(), options.moments, engine.threads());
  const Observation observation(engine, collector);
  TokenBuffer buffer(source);
  Calibration calibration;
  while (calibration.windows < most_windows) {
    TRINE_RETURN_IF_ERROR(buffer.fill(per_batch * options.window));
    const auto count = static_cast<std::size_t>(
        std::min<std::uint64_t>(std::min(per_batch, buffer.unused().size() / options.window),
                                most_windows - calibration.windows));
    if (count == 0) break;
    const std::size_t num_tokens = count * options.window;
    TRINE_RETURN_IF_ERROR(
        run_windows(engine, collector, buffer.unused().first(num_tokens), options.window));
    buffer.use(num_tokens);
    calibration.windows += count;
    if (progress) {
      const std::uint64_t done = calibration.windows * options.window;
      const std::uint64_t expected =
          std::min(source.expected_tokens() / options.window, most_windows) * options.window;
      progress({"tokens", done, std::max(done, expected)});
    }
  }
  if (calibration.windows == 0) {
    return fail(ErrorCode::kInvalidArgument,
                "the text has {} tokens, expected at least one window of {}",
                buffer.unused().size(), options.window);
  }
  TRINE_ASSIGN_OR_RETURN(calibration.statistics, collector.take());
  return calibration;
}

}  // namespace trine::calibrate
