#include "plan/knapsack.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/random.h"

namespace trine::plan {
namespace {

using Items = std::vector<std::vector<KnapsackChoice>>;

/// Least cost over all selections that fit; infinity when none does.
double brute_force(const Items& items, std::size_t first, std::uint64_t budget) {
  if (first == items.size()) return 0.0;
  double best = std::numeric_limits<double>::infinity();
  for (const KnapsackChoice& choice : items[first]) {
    if (choice.bytes > budget) continue;
    best = std::min(best, choice.cost + brute_force(items, first + 1, budget - choice.bytes));
  }
  return best;
}

Items random_items(base::Random& random, std::uint64_t unit) {
  Items items(1 + random.next() % 5);
  for (auto& item : items) {
    item.resize(1 + random.next() % 5);
    for (KnapsackChoice& choice : item) {
      choice = {unit * (1 + random.next() % 40), random.uniform()};
    }
  }
  return items;
}

TEST(Knapsack, FindsTheOptimum) {
  base::Random random(5);
  for (int round = 0; round < 2000; ++round) {
    const std::uint64_t unit = round % 2 == 0 ? 64 : 1;
    const Items items = random_items(random, unit);
    const std::uint64_t budget = unit * (random.next() % 160) + random.next() % unit;
    const double expected = brute_force(items, 0, budget);
    const auto solved = solve_knapsack(items, budget);
    ASSERT_EQ(solved.has_value(), expected < std::numeric_limits<double>::infinity());
    if (!solved) continue;
    EXPECT_NEAR(solved->cost, expected, 1e-12);
    EXPECT_LE(solved->lower_bound, expected + 1e-12);
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < items.size(); ++i) bytes += items[i][solved->chosen[i]].bytes;
    EXPECT_EQ(bytes, solved->bytes);
    EXPECT_LE(bytes, budget);
  }
}

TEST(Knapsack, NamesTheSmallestSizeWhenNothingFits) {
  const auto solved = solve_knapsack(Items{{{100, 1.0}, {70, 2.0}}, {{30, 0.0}}}, 99);
  ASSERT_FALSE(solved);
  EXPECT_NE(solved.error().message.find("100 bytes"), std::string::npos);
}

TEST(Knapsack, StaysNearTheBoundWhenTheTableWouldBeTooLarge) {
  // 900 matrices of a large model: sizes without a common divisor, a budget of gigabytes.
  base::Random random(9);
  Items items(900);
  for (auto& item : items) {
    const std::uint64_t weights = 1'000'003 + random.next() % 60'000'000;
    const double scale = random.uniform();
    for (const int bits : {2, 3, 4, 5, 6, 8}) {
      item.push_back(
          {weights * static_cast<std::uint64_t>(bits) / 8, scale * std::pow(0.25, bits)});
    }
  }
  const auto solved = solve_knapsack(items, std::uint64_t{12} << 30);
  ASSERT_TRUE(solved);
  EXPECT_LE(solved->bytes, std::uint64_t{12} << 30);
  EXPECT_LE(solved->cost, solved->lower_bound * 1.01);
}

}  // namespace
}  // namespace trine::plan
