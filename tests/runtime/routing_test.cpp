#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "runtime/experts.h"
#include "support/random_matrices.h"

namespace trine::runtime {
namespace {

using testing_support::random_normal;

constexpr double kUlp = 0x1p-24;

std::vector<float> logs(const std::vector<double>& probabilities) {
  std::vector<float> logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p)));
  return logits;
}

TEST(Routing, KeepsTheBestAndRenormalises) {
  const Routing routing = route_softmax_top_k(logs({0.1, 0.4, 0.3, 0.2}), 4, 2);
  EXPECT_EQ(routing.experts_per_token, 2u);
  EXPECT_EQ(routing.experts, (std::vector<std::int32_t>{1, 2}));
  // A logit below 4 is rounded by 2 ulp; softmax and renormalising add 8 roundings at most.
  EXPECT_NEAR(routing.weights.at(0), 4.0 / 7.0, 10 * kUlp);
  EXPECT_NEAR(routing.weights.at(1), 3.0 / 7.0, 10 * kUlp);
}

TEST(Routing, HandlesTokensOneByOne) {
  std::vector<float> logits = logs({0.1, 0.7, 0.2});
  for (const float logit : logs({0.6, 0.1, 0.3})) logits.push_back(logit);
  const Routing routing = route_softmax_top_k(logits, 3, 2);
  EXPECT_EQ(routing.experts, (std::vector<std::int32_t>{1, 2, 0, 2}));
  EXPECT_NEAR(routing.weights.at(0), 7.0 / 9.0, 10 * kUlp);
  EXPECT_NEAR(routing.weights.at(2), 6.0 / 9.0, 10 * kUlp);
}

TEST(Routing, BreaksTiesByIndex) {
  EXPECT_EQ(route_softmax_top_k({1, 2, 2, 2}, 4, 2).experts, (std::vector<std::int32_t>{1, 2}));
  EXPECT_EQ(route_softmax_top_k({0, 0, 0, 0}, 4, 3).experts,
            (std::vector<std::int32_t>{0, 1, 2}));
  EXPECT_EQ(route_softmax_top_k({2, 1, 2, 3}, 4, 3).experts,
            (std::vector<std::int32_t>{3, 0, 2}));
}

TEST(Routing, GivesAnOnlyExpertAllTheWeight) {
  const Routing routing = route_softmax_top_k({0.3f, -5.0f, 0.2f}, 3, 1);
  EXPECT_EQ(routing.experts, (std::vector<std::int32_t>{0}));
  EXPECT_EQ(routing.weights, (std::vector<float>{1.0f}));
}

TEST(Routing, SurvivesLargeLogits) {
  const Routing routing = route_softmax_top_k({1000.0f, 999.0f, -1000.0f}, 3, 2);
  EXPECT_EQ(routing.experts, (std::vector<std::int32_t>{0, 1}));
  EXPECT_NEAR(routing.weights.at(0), 1.0 / (1.0 + std::exp(-1.0)), 10 * kUlp);
}

TEST(Routing, WeightsSumToOneAndFall) {
  constexpr std::size_t kExperts = 64, kPerToken = 6, kTokens = 200;
  const Routing routing =
      route_softmax_top_k(random_normal(kTokens * kExperts, 1, 3.0), kExperts, kPerToken);
  ASSERT_EQ(routing.weights.size(), kTokens * kPerToken);
  for (std::size_t token = 0; token < kTokens; ++token) {
    double sum = 0.0;
    for (std::size_t slot = 0; slot < kPerToken; ++slot) {
      const std::size_t place = token * kPerToken + slot;
      sum += routing.weights[place];
      if (slot == 0) continue;
      EXPECT_LE(routing.weights[place], routing.weights[place - 1]);
    }
    // Their sum in fp32 sees kPerToken − 1 roundings, each quotient one more.
    EXPECT_NEAR(sum, 1.0, kPerToken * kUlp);
  }
}

}  // namespace
}  // namespace trine::runtime
