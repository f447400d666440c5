#include "eval/speed.h"

#include <vector>

#include "base/random.h"
#include "eval/large_buffer.h"
#include "eval/machine_rates.h"
#include "eval/timing.h"

namespace trine::eval {
namespace {

std::vector<std::int32_t> random_tokens(std::size_t count, std::size_t vocab_size) {
  base::Random random(1);
  std::vector<std::int32_t> tokens(count);
  for (std::int32_t& token : tokens)
    token = static_cast<std::int32_t>(random.next() % vocab_size);
  return tokens;
}

}  // namespace

Result<SpeedResult> measure_speed(runtime::Engine& engine, const SpeedOptions& options) {
  if (options.prompt_tokens < 1 || options.decode_tokens < 1 || options.repeats < 1) {
    return fail(ErrorCode::kInvalidArgument,
                "prompt tokens, decode tokens and repeats must be at least 1");
  }
  const auto prompt = random_tokens(options.prompt_tokens, engine.spec().vocab_size);
  const auto continuation = random_tokens(options.decode_tokens, engine.spec().vocab_size);
  std::vector<double> prefill, decode;
  for (int repeat = 0; repeat < options.repeats; ++repeat) {
    runtime::KvCache cache(engine.spec());
    auto start = Clock::now();
    TRINE_ASSIGN_OR_RETURN(auto hidden, engine.prefill({prompt, &cache}));
    static_cast<void>(engine.logits(hidden));
    prefill.push_back(static_cast<double>(prompt.size()) / seconds_since(start));

    start = Clock::now();
    for (const std::int32_t& token : continuation) {
      const runtime::SequenceStep step{std::span(&token, 1), &cache};
      TRINE_ASSIGN_OR_RETURN(hidden, engine.forward(std::span(&step, 1)));
      static_cast<void>(engine.logits(hidden));
    }
    decode.push_back(static_cast<double>(continuation.size()) / seconds_since(start));
  }
  SpeedResult result{.prefill_tokens_per_second = median(prefill),
                     .decode_tokens_per_second = median(decode),
                     .active_bytes = engine.active_bytes()};
  TRINE_ASSIGN_OR_RETURN(result.read_bandwidth,
                         measure_read_bandwidth(engine.kernels(), engine.threads()));
  result.largest_cache_bytes = static_cast<double>(last_level_cache_bytes());
  return result;
}

}  // namespace trine::eval
