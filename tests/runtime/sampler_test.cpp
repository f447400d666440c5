// Every option against probabilities computed by hand, over 100 000 draws.
#include "runtime/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "support/expect_error.h"

namespace trine::runtime {
namespace {

using testing_support::expect_error;
using testing_support::sentence;

/// Logits of the probabilities 0.15, 0.5, 0.1, 0.25, up to a constant.
std::vector<float> known_logits() {
  std::vector<float> logits;
  for (const double probability : {0.15, 0.5, 0.1, 0.25}) {
    logits.push_back(static_cast<float>(std::log(probability) + 3.0));
  }
  return logits;
}

/// EXPECT that draws follow `expected`; a token of probability 0 must not occur at all.
void expect_draws(const SamplerOptions& options, const std::vector<float>& logits,
                  const std::vector<double>& expected,
                  const std::vector<std::int32_t>& seen = {}) {
  constexpr int kDraws = 100'000;
  ASSERT_TRUE(check_sampler_options(options, 8).has_value());
  Sampler sampler(options);
  std::vector<int> counts(expected.size());
  for (int i = 0; i < kDraws; ++i) {
    ++counts.at(static_cast<std::size_t>(sampler.sample(logits, {seen, {}})));
  }
  for (std::size_t token = 0; token < expected.size(); ++token) {
    const double probability = expected[token];
    // A count is binomial. 4 sigma: one fixed seed in 16 000 would miss it by chance. Rounding
    // of the logits moves a probability by 1e-7, a hundredth of a sigma at most.
    const double sigma = std::sqrt(probability * (1.0 - probability) / kDraws);
    EXPECT_NEAR(counts[token] / double{kDraws}, probability, 4.0 * sigma) << "token " << token;
  }
}

TEST(Sampler, DrawsFromTheSoftmax) {
  expect_draws({.seed = 1}, known_logits(), {0.15, 0.5, 0.1, 0.25});
}

TEST(Sampler, TemperatureDividesLogits) {
  // T = 2 takes square roots: 0.3873, 0.7071, 0.3162, 0.5, their sum 1.91063.
  expect_draws({.temperature = 2.0, .seed = 2}, known_logits(),
               {0.20271, 0.37009, 0.16551, 0.26169});
  // T = 0.5 squares: 0.0225, 0.25, 0.01, 0.0625, their sum 0.345.
  expect_draws({.temperature = 0.5, .seed = 3}, known_logits(),
               {0.0225 / 0.345, 0.25 / 0.345, 0.01 / 0.345, 0.0625 / 0.345});
}

TEST(Sampler, TopKKeepsTheMostLikely) {
  expect_draws({.top_k = 2, .seed = 4}, known_logits(), {0.0, 2.0 / 3.0, 0.0, 1.0 / 3.0});
  expect_draws({.top_k = 1, .seed = 5}, known_logits(), {0.0, 1.0, 0.0, 0.0});
  expect_draws({.top_k = 1000, .seed = 6}, known_logits(), {0.15, 0.5, 0.1, 0.25});
}

TEST(Sampler, TopKPrefersTheLowerOfEqualTokens) {
  expect_draws({.top_k = 2, .seed = 7}, {1.0f, 1.0f, 1.0f}, {0.5, 0.5, 0.0});
}

TEST(Sampler, TopPKeepsTheSmallestSetThatReachesIt) {
  // Sorted: 0.5, 0.25, 0.15, 0.1; summed: 0.5, 0.75, 0.9, 1.
  expect_draws({.top_p = 0.45, .seed = 8}, known_logits(), {0.0, 1.0, 0.0, 0.0});
  expect_draws({.top_p = 0.7, .seed = 9}, known_logits(), {0.0, 2.0 / 3.0, 0.0, 1.0 / 3.0});
  expect_draws({.top_p = 0.8, .seed = 10}, known_logits(),
               {0.15 / 0.9, 0.5 / 0.9, 0.0, 0.25 / 0.9});
}

TEST(Sampler, MinPDropsWhatIsFarBelowTheBest) {
  // 0.4 · 0.5 = 0.2 drops 0.15 and 0.1; 0.25 · 0.5 = 0.125 drops 0.1 only.
  expect_draws({.min_p = 0.4, .seed = 11}, known_logits(), {0.0, 2.0 / 3.0, 0.0, 1.0 / 3.0});
  expect_draws({.min_p = 0.25, .seed = 12}, known_logits(),
               {0.15 / 0.9, 0.5 / 0.9, 0.0, 0.25 / 0.9});
  expect_draws({.min_p = 1.0, .seed = 13}, known_logits(), {0.0, 1.0, 0.0, 0.0});
}

TEST(Sampler, TemperatureComesBeforeTopP) {
  // At T = 2 the two best have 0.632 < 0.7, so a third one stays: 0.7071, 0.5, 0.3873.
  expect_draws({.temperature = 2.0, .top_p = 0.7, .seed = 14}, known_logits(),
               {0.3873 / 1.5944, 0.7071 / 1.5944, 0.0, 0.5 / 1.5944});
}

TEST(Sampler, TopKComesBeforeTopP) {
  // Of the three best, the first two have 0.833 ≥ 0.8; of all four they have only 0.75.
  expect_draws({.top_k = 3, .top_p = 0.8, .seed = 15}, known_logits(),
               {0.0, 2.0 / 3.0, 0.0, 1.0 / 3.0});
}

TEST(Sampler, RepetitionPenaltyPushesSeenTokensDownOnce) {
  // Token 0: 2 / 2 = 1, although seen twice. Token 2: −1 · 2 = −2. The others stay 1 and 0.
  const double sum = std::exp(1.0) + std::exp(1.0) + std::exp(-2.0) + 1.0;
  expect_draws({.repetition_penalty = 2.0, .seed = 16}, {2.0f, 1.0f, -1.0f, 0.0f},
               {std::exp(1.0) / sum, std::exp(1.0) / sum, std::exp(-2.0) / sum, 1.0 / sum},
               {0, 2, 0});
}

TEST(Sampler, SurvivesExtremeLogits) {
  const float infinity = std::numeric_limits<float>::infinity();
  expect_draws({.seed = 17}, {3e38f, -3e38f, 3e38f, -infinity}, {0.5, 0.0, 0.5, 0.0});
}

TEST(GreedySampler, TakesTheFirstOfTheMostLikely) {
  Sampler sampler({.temperature = 0.0});
  EXPECT_EQ(sampler.sample(known_logits(), {}), 1);
  const std::vector<float> tied = {1.0f, 2.0f, 2.0f};
  for (int i = 0; i < 10; ++i) EXPECT_EQ(sampler.sample(tied, {{}, {}}), 1);
}

TEST(GreedySampler, AppliesTheRepetitionPenalty) {
  Sampler sampler({.temperature = 0.0, .repetition_penalty = 3.0});
  const std::vector<float> logits = {2.0f, 1.0f, -1.0f};
  const std::vector<std::int32_t> seen = {0};
  EXPECT_EQ(sampler.sample(logits, {{}, {}}), 0);
  EXPECT_EQ(sampler.sample(logits, {seen, {}}), 1);  // 2 / 3 < 1
}

TEST(Sampler, IsReproducible) {
  const std::vector<float> logits(100, 0.0f);
  const auto draw = [&](std::uint64_t seed) {
    Sampler sampler({.seed = seed});
    std::vector<std::int32_t> tokens;
    for (int i = 0; i < 50; ++i) tokens.push_back(sampler.sample(logits, {{}, {}}));
    return tokens;
  };
  EXPECT_EQ(draw(7), draw(7));
  EXPECT_NE(draw(7), draw(8));
}

TEST(SamplerOptions, AreCheckedByName) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto refused = [](const SamplerOptions& options, const char* name) {
    expect_error(check_sampler_options(options, 8), ErrorCode::kInvalidArgument,
                 {name, "expected"});
  };
  for (const double bad : {-0.1, 100.5, nan}) refused({.temperature = bad}, "temperature");
  for (const double bad : {0.0, 1.1, -1.0, nan}) refused({.top_p = bad}, "top_p");
  for (const double bad : {-0.1, 1.1, nan}) refused({.min_p = bad}, "min_p");
  for (const double bad : {0.0, -1.0, 101.0, nan}) {
    refused({.repetition_penalty = bad}, "repetition_penalty");
  }
  const SamplerOptions edges{
      .temperature = 0.0, .top_p = 1.0, .min_p = 1.0, .repetition_penalty = 100.0};
  EXPECT_TRUE(check_sampler_options(edges, 8).has_value());
}

}  // namespace
}  // namespace trine::runtime
