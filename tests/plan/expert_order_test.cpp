// Order by score, and the pass that moves wide experts forward.
#include "plan/expert_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/random.h"
#include "support/expect_error.h"

namespace trine::plan {
namespace {

using testing_support::expect_error;
using testing_support::sentence;
using Order = std::vector<std::size_t>;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Order promoted(const Order& order, const std::vector<double>& variances, double zeta) {
  const auto result = promote_wide_experts(order, variances, zeta);
  EXPECT_TRUE(result) << sentence(result);
  return *result;
}

TEST(ExpertOrder, FollowsTheDirectionAndBreaksTiesById) {
  const std::vector<double> scores = {0.5, 0.25, 0.5, -1.0, 0.25};
  EXPECT_EQ(expert_order(scores, MoreBitsTo::kLowest), (Order{3, 1, 4, 0, 2}));
  EXPECT_EQ(expert_order(scores, MoreBitsTo::kHighest), (Order{0, 2, 1, 4, 3}));
  EXPECT_EQ(expert_order(std::vector<double>(3, 7.0), MoreBitsTo::kHighest), (Order{0, 1, 2}));
}

TEST(PromoteWideExperts, MovesInFrontOfTheFirstNarrowOne) {
  // 10 > 3·2 but not > 3·4: expert 3 lands between experts 0 and 1.
  EXPECT_EQ(promoted({0, 1, 2, 3}, {4, 2, 4, 10}, 3.0), (Order{0, 3, 1, 2}));
}

TEST(PromoteWideExperts, ExactlyZetaTimesIsNotEnough) {
  EXPECT_EQ(promoted({0, 1}, {1, 3}, 3.0), (Order{0, 1}));
  EXPECT_EQ(promoted({0, 1}, {1, 3.0000001}, 3.0), (Order{1, 0}));
}

TEST(PromoteWideExperts, WorstRankMovesFirstAndOthersPassIt) {
  EXPECT_EQ(promoted({0, 1, 2}, {1, 9, 10}, 3.0), (Order{2, 1, 0}));
  EXPECT_EQ(promoted({0, 1, 2}, {1, 40, 10}, 3.0), (Order{1, 2, 0}));
}

TEST(PromoteWideExperts, LimitsOfZeta) {
  const std::vector<double> variances = {1, 2, 3, 0, 5};
  EXPECT_EQ(promoted({3, 0, 1, 2, 4}, variances, kInfinity), (Order{3, 0, 1, 2, 4}));
  // Just above 1: any larger variance goes first.
  EXPECT_EQ(promoted({3, 0, 1, 2, 4}, variances, 1.0 + 1e-12), (Order{4, 2, 1, 0, 3}));
  expect_error(promote_wide_experts(Order{0}, std::vector<double>{1.0}, 0.99),
               ErrorCode::kInvalidArgument, {"zeta is 0.99", "1 or more"});
  expect_error(promote_wide_experts(Order{0}, std::vector<double>{1.0}, std::nan("")),
               ErrorCode::kInvalidArgument, {"zeta is nan"});
}

/// The pass as the source writes it down, with lists that are searched and rebuilt.
Order transcribed(const Order& order, const std::vector<double>& variances, double zeta) {
  Order current = order;
  for (auto expert = order.rbegin(); expert != order.rend(); ++expert) {
    std::size_t place = 0;
    while (place < current.size() && !(zeta * variances[current[place]] < variances[*expert])) {
      ++place;
    }
    const auto index = static_cast<std::size_t>(
        std::find(current.begin(), current.end(), *expert) - current.begin());
    if (place >= current.size() || index <= place) continue;
    current.erase(current.begin() + static_cast<std::ptrdiff_t>(index));
    current.insert(current.begin() + static_cast<std::ptrdiff_t>(place), *expert);
  }
  return current;
}

TEST(PromoteWideExperts, LeavesNoExpertBehindAMuchNarrowerOne) {
  base::Random random(20260406);
  for (int trial = 0; trial < 20000; ++trial) {
    const std::size_t experts = 2 + random.next() % 15;
    std::vector<double> scores(experts), variances(experts);
    for (double& score : scores) score = std::floor(8.0 * random.uniform());  // ties
    for (double& variance : variances) variance = std::exp(2.0 * random.normal());
    const double zeta = trial % 3 == 0 ? 1.0 + 1e-9 : trial % 3 == 1 ? 3.0 : 10.0;
    const Order order = expert_order(scores, MoreBitsTo::kLowest);
    const Order after = promoted(order, variances, zeta);
    ASSERT_EQ(after, transcribed(order, variances, zeta));
    ASSERT_TRUE(std::is_permutation(after.begin(), after.end(), order.begin()));
    for (std::size_t behind = 1; behind < experts; ++behind) {
      for (std::size_t ahead = 0; ahead < behind; ++ahead) {
        ASSERT_FALSE(zeta * variances[after[ahead]] < variances[after[behind]])
            << "trial " << trial << ", positions " << ahead << " and " << behind;
      }
    }
    ASSERT_EQ(promoted(order, variances, kInfinity), order);
  }
}

}  // namespace
}  // namespace trine::plan
