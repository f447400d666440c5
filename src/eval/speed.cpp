#include "eval/speed.h"

#include <algorithm>
#include <vector>

#include "base/peak_memory.h"
#include "base/random.h"
#include "eval/large_buffer.h"
#include "eval/timing.h"

namespace trine::eval {
namespace {

/// Decode between two plain reads takes at least so long: several reads, so that little of the time
/// goes into filling the caches again that a read has emptied.
constexpr double kRunSeconds = 0.02;

std::vector<std::int32_t> random_tokens(std::size_t count, std::size_t vocab_size) {
  base::Random random(1);
  std::vector<std::int32_t> tokens(count);
  for (std::int32_t& token : tokens)
    token = static_cast<std::int32_t>(random.next() % vocab_size);
  return tokens;
}

/// One prompt and one continuation, run again and again.
class Passes {
 public:
  Passes(runtime::Engine& engine, const SpeedOptions& options)
      : engine_(engine),
        prompt_(random_tokens(options.prompt_tokens, engine.spec().vocab_size)),
        continuation_(random_tokens(options.decode_tokens, engine.spec().vocab_size)) {}

  /// Once without reads, so that the pages of the weights are there and peak memory is that of the
  /// model alone.
  Status warm_up() {
    runtime::KvCache cache(engine_.spec());
    TRINE_RETURN_IF_ERROR(prefill(cache));
    TRINE_ASSIGN_OR_RETURN(const double seconds, decode(continuation_, cache));
    first_token_seconds_.clear();
    // What stays in the cache has no limit to be compared with, and a read would empty the cache.
    const double step = seconds / static_cast<double>(continuation_.size());
    const bool is_cached =
        engine_.active_bytes() < static_cast<double>(last_level_cache_bytes());
    run_tokens_ = is_cached ? continuation_.size()
                            : static_cast<std::size_t>(std::max(kRunSeconds / step, 1.0));
    return {};
  }

  Status measure(PlainReads& reads) {
    runtime::KvCache cache(engine_.spec());
    TRINE_RETURN_IF_ERROR(prefill(cache));
    std::vector<double> rates, around{reads.read(engine_)};
    double all_seconds = 0.0;
    const std::span<const std::int32_t> tokens(continuation_);
    for (std::size_t first = 0; first < tokens.size(); first += run_tokens_) {
      const auto run = tokens.subspan(first, std::min(run_tokens_, tokens.size() - first));
      TRINE_ASSIGN_OR_RETURN(const double seconds, decode(run, cache));
      all_seconds += seconds;
      rates.push_back(engine_.active_bytes() * static_cast<double>(run.size()) / seconds);
      around.push_back(reads.read(engine_));
    }
    decode_.push_back(static_cast<double>(tokens.size()) / all_seconds);
    const std::vector<double> shares = shares_of_reads(rates, around);
    shares_.insert(shares_.end(), shares.begin(), shares.end());
    reads_.insert(reads_.end(), around.begin(), around.end());
    return {};
  }

  [[nodiscard]] SpeedResult result() const {
    const double first_token = median(first_token_seconds_);
    return {.prefill_tokens_per_second = static_cast<double>(prompt_.size()) / first_token,
            .first_token_seconds = first_token,
            .decode_tokens_per_second = median(decode_),
            .active_bytes = engine_.active_bytes(),
            .reads = summary(shares_, reads_),
            .largest_cache_bytes = static_cast<double>(last_level_cache_bytes())};
  }

 private:
  Status prefill(runtime::KvCache& cache) {
    const auto start = Clock::now();
    TRINE_ASSIGN_OR_RETURN(const auto hidden, engine_.prefill({prompt_, &cache}));
    static_cast<void>(engine_.logits(hidden));
    first_token_seconds_.push_back(seconds_since(start));
    return {};
  }

  /// Seconds of decoding the tokens one after the other.
  Result<double> decode(std::span<const std::int32_t> tokens, runtime::KvCache& cache) {
    const auto start = Clock::now();
    for (const std::int32_t& token : tokens) {
      const runtime::SequenceStep step{std::span(&token, 1), &cache};
      TRINE_ASSIGN_OR_RETURN(const auto hidden, engine_.forward(std::span(&step, 1)));
      static_cast<void>(engine_.logits(hidden));
    }
    return seconds_since(start);
  }

  runtime::Engine& engine_;
  std::vector<std::int32_t> prompt_, continuation_;
  std::size_t run_tokens_ = 1;  ///< decoded between two reads
  std::vector<double> first_token_seconds_{}, decode_{}, shares_{}, reads_{};
};

}  // namespace

Result<SpeedResult> measure_speed(runtime::Engine& engine, const SpeedOptions& options) {
  if (options.prompt_tokens < 1 || options.decode_tokens < 1 || options.repeats < 1) {
    return fail(ErrorCode::kInvalidArgument,
                "prompt tokens, decode tokens and repeats must be at least 1");
  }
  Passes passes(engine, options);
  TRINE_RETURN_IF_ERROR(passes.warm_up());
  const std::uint64_t peak_rss_bytes = base::peak_rss_bytes();
  TRINE_ASSIGN_OR_RETURN(PlainReads reads, PlainReads::allocate(false));
  for (int repeat = 0; repeat < options.repeats; ++repeat) {
    TRINE_RETURN_IF_ERROR(passes.measure(reads));
  }
  SpeedResult result = passes.result();
  result.peak_rss_bytes = peak_rss_bytes;
  return result;
}

}  // namespace trine::eval
