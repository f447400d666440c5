#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "runtime/routing.h"
#include "support/fp32.h"
#include "support/random_matrices.h"

namespace trine::runtime {
namespace {

using testing_support::kUlp;
using testing_support::random_normal;

Routing route_softmax_top_k(const std::vector<float>& logits, std::size_t num_experts,
                            std::size_t experts_per_token) {
  RouterSpec router{.rule = RoutingRule::kSoftmaxTopK,
                    .experts_per_token = experts_per_token,
                    .renormalises = true};
  router.matrix.out_features = num_experts;
  return route(router, logits, {});
}

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

RouterSpec router_of(RoutingRule rule, std::size_t num_experts, std::size_t per_token) {
  RouterSpec router{.rule = rule, .experts_per_token = per_token};
  router.matrix.out_features = num_experts;
  return router;
}

TEST(Routing, SoftmaxWithoutRenormalisingKeepsTheProbabilitiesAndScales) {
  RouterSpec router = router_of(RoutingRule::kSoftmaxTopK, 4, 2);
  router.scaling_factor = 2.0;
  const Routing routing = route(router, logs({0.1, 0.4, 0.3, 0.2}), {});
  EXPECT_EQ(routing.experts, (std::vector<std::int32_t>{1, 2}));
  EXPECT_NEAR(routing.weights.at(0), 0.8, 10 * kUlp);
  EXPECT_NEAR(routing.weights.at(1), 0.6, 10 * kUlp);
}

TEST(Routing, TopKSoftmaxNormalisesOverTheChosen) {
  const Routing routing =
      route(router_of(RoutingRule::kTopKSoftmax, 4, 2), logs({0.1, 0.4, 0.3, 0.2}), {});
  EXPECT_EQ(routing.experts, (std::vector<std::int32_t>{1, 2}));
  EXPECT_NEAR(routing.weights.at(0), 4.0 / 7.0, 10 * kUlp);
}

TEST(Routing, GroupsAreChosenByTheirBestOrTheirTwoBest) {
  // Groups {0.30, 0.01}, {0.20, 0.19}, {0.15, 0.15}: the first wins by its best, the second by
  // the sum of two.
  RouterSpec router = router_of(RoutingRule::kSoftmaxTopK, 6, 1);
  router.num_groups = 3;
  const auto logits = logs({0.30, 0.01, 0.20, 0.19, 0.15, 0.15});
  EXPECT_EQ(route(router, logits, {}).experts, (std::vector<std::int32_t>{0}));
  router.group_score = GroupScore::kTopTwoSum;
  EXPECT_EQ(route(router, logits, {}).experts, (std::vector<std::int32_t>{2}));
  router.experts_per_token = 2;
  EXPECT_EQ(route(router, logits, {}).experts, (std::vector<std::int32_t>{2, 3}));
}

TEST(Routing, SelectionBiasSelectsButDoesNotWeigh) {
  RouterSpec router = router_of(RoutingRule::kSigmoidBiased, 3, 2);
  router.renormalises = true;
  router.scaling_factor = 2.5;
  const std::vector<float> logits = {0.0f, 1.0f, -1.0f};  // σ: 0.5, 0.731, 0.269
  EXPECT_EQ(route(router, logits, {}).experts, (std::vector<std::int32_t>{1, 0}));
  const std::vector<float> bias = {0.0f, 0.0f, 1.0f};
  const Routing routing = route(router, logits, bias);
  EXPECT_EQ(routing.experts, (std::vector<std::int32_t>{2, 1}));
  const double low = 1.0 / (1.0 + std::exp(1.0));  // and 1 − low: they sum to 1
  EXPECT_NEAR(routing.weights.at(0), 2.5 * low, 20 * kUlp);
  EXPECT_NEAR(routing.weights.at(1), 2.5 * (1.0 - low), 20 * kUlp);
}

TEST(Routing, ForcedToItsOwnChoiceChangesNothing) {
  const auto logits = random_normal(40 * 8, 5);
  const std::vector<float> bias = random_normal(8, 6);
  for (const RoutingRule rule : {RoutingRule::kSoftmaxTopK, RoutingRule::kTopKSoftmax,
                                 RoutingRule::kSigmoidBiased, RoutingRule::kSparseMixer}) {
    RouterSpec router = router_of(rule, 8, 2);
    router.jitter = 0.1;
    router.renormalises = true;
    const Routing own = route(router, logits, bias);
    const Routing forced = route(router, logits, bias, own.experts);
    EXPECT_EQ(forced.experts, own.experts);
    EXPECT_EQ(forced.weights, own.weights);
  }
}

TEST(Routing, ForcedExpertsAreWeighedByTheirOwnLogits) {
  const auto logits = logs({0.1, 0.4, 0.3, 0.2});
  const std::vector<std::int32_t> forced = {3, 0};
  RouterSpec router = router_of(RoutingRule::kSoftmaxTopK, 4, 2);
  router.renormalises = true;
  for (const RoutingRule rule : {RoutingRule::kSoftmaxTopK, RoutingRule::kTopKSoftmax}) {
    router.rule = rule;
    const Routing routing = route(router, logits, {}, forced);
    EXPECT_EQ(routing.experts, forced);
    EXPECT_NEAR(routing.weights.at(0), 2.0 / 3.0, 10 * kUlp);
    EXPECT_NEAR(routing.weights.at(1), 1.0 / 3.0, 10 * kUlp);
  }
}

TEST(Routing, SparseMixerWeighsEachChoiceAmongItsNeighbours) {
  RouterSpec router = router_of(RoutingRule::kSparseMixer, 4, 2);
  router.jitter = 0.05;  // neighbours are within 10 %
  const std::vector<float> logits = {10.0f, 9.5f, 8.0f, 7.9f};
  const Routing routing = route(router, logits, {});
  EXPECT_EQ(routing.experts, (std::vector<std::int32_t>{0, 1}));
  // First: 10 and 9.5 are close (5 %), 8 is not (20 %). Second, without 10: 9.5 alone (8 is 16 %
  // away).
  EXPECT_NEAR(routing.weights.at(0), 1.0 / (1.0 + std::exp(-0.5)), 10 * kUlp);
  EXPECT_NEAR(routing.weights.at(1), 1.0, 2 * kUlp);
}

}  // namespace
}  // namespace trine::runtime
