// Lower bounds of a mean from windows: closed forms, and how often they fail in repeated draws.
#include "eval/agreement_bound.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>

namespace trine::eval {
namespace {

TEST(AgreementBound, BinomialHasClosedFormsAtItsEnds) {
  // All of n: q^n = p. One of n: 1 − (1−q)^n = p. 40 halvings leave 1e-12.
  EXPECT_NEAR(binomial_lower_bound(50, 50, 0.01), std::pow(0.01, 1.0 / 50), 2e-12);
  EXPECT_NEAR(binomial_lower_bound(1, 50, 0.01), 1.0 - std::pow(0.99, 1.0 / 50), 2e-12);
  EXPECT_EQ(binomial_lower_bound(0, 50, 0.01), 0.0);
  // Clopper and Pearson's table, two-sided 95 % of 8 in 10: from 0.4439 (one-sided 0.025).
  EXPECT_NEAR(binomial_lower_bound(8, 10, 0.025), 0.4439, 5e-5);
}

TEST(AgreementBound, HoeffdingByHand) {
  // √(ln 100 / 400) = 0.10730.
  EXPECT_NEAR(hoeffding_lower_bound(0.9, 200, 0.01), 0.9 - 0.107298, 1e-6);
  EXPECT_EQ(hoeffding_lower_bound(0.05, 200, 0.01), 0.0);
}

TEST(AgreementBound, BettingUsesHowLittleWindowsDiffer) {
  std::vector<double> shares;
  for (int i = 0; i < 200; ++i) shares.push_back(i % 2 == 0 ? 0.88 : 0.92);
  const double bound = betting_lower_bound(shares, 0.01);
  EXPECT_LT(bound, 0.9);
  // A gambler risks at most 0.9 of the capital. Against a mean 0.02 lower that makes
  // 200·ln(1 + 0.9·0.02/0.88) = 4.05 < ln 100 = 4.61, against one 0.03 lower 6.1: in between.
  EXPECT_GT(bound, 0.87);
  EXPECT_GT(bound, hoeffding_lower_bound(0.9, 200, 0.01) + 0.05);
}

TEST(AgreementBound, NothingSeenProvesNothing) {
  EXPECT_EQ(betting_lower_bound({}, 0.01), 0.0);
  EXPECT_EQ(hoeffding_lower_bound(0.0, 0, 0.01), 0.0);
  const std::vector<double> none(50, 0.0);
  EXPECT_LT(betting_lower_bound(none, 0.01), 1e-9);
}

struct Law {
  const char* name;
  double mean;
  std::function<double(base::Random&)> draw;
};

class AgreementCoverage : public testing::TestWithParam<Law> {};

/// Each bound may be above the mean in a share p of repetitions. 600 of them at p = 0.1 have 60
/// failures and a deviation of 7.3; four of those are 30.
TEST_P(AgreementCoverage, FailsNoMoreOftenThanStated) {
  const Law law = GetParam();
  base::Random random(7);
  constexpr int kRepetitions = 600;
  constexpr std::size_t kWindows = 40;
  constexpr double kProbability = 0.1;
  int betting = 0, hoeffding = 0, binomial = 0;
  for (int repetition = 0; repetition < kRepetitions; ++repetition) {
    std::vector<double> shares;
    double sum = 0.0;
    std::uint64_t agreeing = 0;
    for (std::size_t i = 0; i < kWindows; ++i) {
      shares.push_back(law.draw(random));
      sum += shares.back();
      if (random.uniform() < shares.back()) ++agreeing;  // one token of the window
    }
    betting += betting_lower_bound(shares, kProbability) > law.mean ? 1 : 0;
    hoeffding +=
        hoeffding_lower_bound(sum / kWindows, kWindows, kProbability) > law.mean ? 1 : 0;
    binomial += binomial_lower_bound(agreeing, kWindows, kProbability) > law.mean ? 1 : 0;
  }
  EXPECT_LE(betting, 90);
  EXPECT_LE(hoeffding, 90);
  EXPECT_LE(binomial, 90);
}

INSTANTIATE_TEST_SUITE_P(
    Laws, AgreementCoverage,
    testing::Values(Law{"all_or_nothing", 0.9,
                        [](base::Random& r) { return r.uniform() < 0.9 ? 1.0 : 0.0; }},
                    Law{"narrow", 0.9,
                        [](base::Random& r) { return 0.85 + 0.1 * r.uniform(); }},
                    // Mostly perfect, seldom far off: what an average of a few windows misses.
                    Law{"rare_disaster", 0.97,
                        [](base::Random& r) { return r.uniform() < 0.03 ? 0.0 : 1.0; }},
                    Law{"wide", 0.5, [](base::Random& r) { return r.uniform(); }}),
    [](const auto& law) { return std::string(law.param.name); });

TEST(AgreementTally, CountsSharesAndOneTokenOfEachWindow) {
  AgreementTally tally;
  base::Random draws(1);
  const std::vector<bool> agrees = {true, true, true, true, false, false, false, false};
  tally.add(agrees, 0, 4, draws);
  tally.add(agrees, 4, 4, draws);
  tally.add(agrees, 2, 4, draws);
  EXPECT_EQ(tally.shares, (std::vector<double>{1.0, 0.0, 0.5}));
  EXPECT_DOUBLE_EQ(tally.mean(), 0.5);
  EXPECT_GE(tally.drawn_agreeing, 1u);
  EXPECT_LE(tally.drawn_agreeing, 2u);
}

}  // namespace
}  // namespace trine::eval
