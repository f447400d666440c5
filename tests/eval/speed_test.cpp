#include "eval/speed.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/memory_weights.h"

namespace trine::eval {
namespace {

using testing_support::expect_error;
using testing_support::random_weights;
using testing_support::sentence;
using testing_support::small_spec;

TEST(Speed, SaysWhatPromptsAndTokensTake) {
  const ModelSpec spec = small_spec();
  const auto weights = random_weights(spec, 1);
  auto engine = runtime::Engine::load(spec, weights, *kernels::runnable_tables().back(), 2);
  ASSERT_TRUE(engine.has_value()) << sentence(engine);
  const auto speed =
      measure_speed(*engine, {.prompt_tokens = 3, .decode_tokens = 5, .repeats = 2});
  ASSERT_TRUE(speed.has_value()) << sentence(speed);
  EXPECT_GT(speed->first_token_seconds, 0.0);
  EXPECT_DOUBLE_EQ(speed->prefill_tokens_per_second * speed->first_token_seconds, 3.0);
  EXPECT_GT(speed->decode_tokens_per_second, 0.0);
  EXPECT_DOUBLE_EQ(speed->active_bytes, engine->active_bytes());
  EXPECT_TRUE(speed->fits_in_cache());
  EXPECT_GT(speed->reads.read_bandwidth, 1e7);
  EXPECT_DOUBLE_EQ(speed->decode_limit(), speed->reads.read_bandwidth / engine->active_bytes());
  EXPECT_GE(speed->reads.median, speed->reads.first_quartile);
  EXPECT_LE(speed->reads.median, speed->reads.third_quartile);
  EXPECT_GT(speed->reads.first_quartile, 0.0);
  EXPECT_GT(speed->peak_rss_bytes, 1u << 20);
}

TEST(Speed, NeedsTokensAndRepeats) {
  const ModelSpec spec = small_spec();
  const auto weights = random_weights(spec, 1);
  auto engine = runtime::Engine::load(spec, weights, *kernels::runnable_tables().back(), 1);
  ASSERT_TRUE(engine.has_value()) << sentence(engine);
  for (const SpeedOptions& options :
       {SpeedOptions{0, 1, 1}, SpeedOptions{1, 0, 1}, SpeedOptions{1, 1, 0}}) {
    expect_error(measure_speed(*engine, options), ErrorCode::kInvalidArgument, {"at least 1"});
  }
}

}  // namespace
}  // namespace trine::eval
