// Counts of experts per level: the published table, and the rule's words by brute force.
#include "plan/expert_counts.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

#include "support/expect_error.h"

namespace trine::plan {
namespace {

using testing_support::expect_error;
using testing_support::sentence;

constexpr std::array kThree = {3, 2, 1};

struct TableRow {
  double average_bits;
  std::array<std::size_t, 3> low_middle_high;
};

/// 8 experts, 3/2/1 bits (arXiv 2604.06515 and its code).
constexpr std::array kTable = {
    TableRow{1.25, {6, 2, 0}},  TableRow{1.5, {4, 4, 0}},   TableRow{1.625, {3, 5, 0}},
    TableRow{1.75, {3, 4, 1}},  TableRow{1.875, {3, 3, 2}}, TableRow{2.0, {2, 4, 2}},
    TableRow{2.125, {2, 3, 3}}, TableRow{2.25, {2, 2, 4}},  TableRow{2.375, {2, 1, 5}},
    TableRow{2.5, {2, 0, 6}},   TableRow{2.625, {1, 1, 6}}, TableRow{2.75, {1, 0, 7}},
    TableRow{2.875, {0, 1, 7}}};

void expect_row(const TableRow& row, CountRule rule) {
  const auto counts = expert_counts(8, kThree, row.average_bits, rule);
  ASSERT_TRUE(counts) << sentence(counts);
  const auto& [low, middle, high] = row.low_middle_high;
  EXPECT_EQ(counts->counts, (std::vector<std::size_t>{high, middle, low}))
      << "at " << row.average_bits;
  EXPECT_EQ(counts->average_bits, row.average_bits);
}

TEST(ExpertCounts, GivesThePublishedTable) {
  for (const TableRow& row : kTable) expect_row(row, CountRule::kPaper);
}

TEST(ExpertCounts, CompatDiffersAtOneAverageOnly) {
  for (TableRow row : kTable) {
    if (row.average_bits == 1.75) row.low_middle_high = {4, 2, 2};
    expect_row(row, CountRule::kCompat);
  }
}

/// The rule in its own words: of all counts with the right sum, the one it asks for.
std::array<std::size_t, 3> by_brute_force(std::size_t experts, double average_bits) {
  const double high = 3.0, spread = 2.0;
  std::array<std::size_t, 3> best{};
  bool is_found = false;
  for (std::size_t n_high = 0; n_high <= experts; ++n_high) {
    for (std::size_t n_low = 0; n_low + n_high <= experts; ++n_low) {
      const std::size_t n_middle = experts - n_high - n_low;
      const auto bits = static_cast<double>(3 * n_high + 2 * n_middle + n_low);
      if (bits != average_bits * static_cast<double>(experts)) continue;
      bool is_better = !is_found;
      if (average_bits > high - spread / 3.0) {
        is_better |= n_high > best[0];
      } else if (average_bits >= high - 2.0 * spread / 3.0) {
        if (n_low > n_middle) continue;
        is_better |= n_high > best[0];
      } else {
        is_better |= n_low < best[2];
      }
      if (is_better) best = {n_high, n_middle, n_low};
      is_found = true;
    }
  }
  EXPECT_TRUE(is_found) << experts << " experts at " << average_bits;
  return best;
}

TEST(ExpertCounts, FollowsTheRulesWordsForMoreExperts) {
  for (const std::size_t experts : {std::size_t{8}, std::size_t{16}, std::size_t{64}}) {
    for (std::size_t steps = 0; steps <= 2 * experts; ++steps) {
      const double average = 1.0 + static_cast<double>(steps) / static_cast<double>(experts);
      const auto counts = expert_counts(experts, kThree, average);
      ASSERT_TRUE(counts) << sentence(counts);
      const auto expected = by_brute_force(experts, average);
      EXPECT_TRUE(std::equal(expected.begin(), expected.end(), counts->counts.begin()))
          << experts << " experts at " << average;
      EXPECT_EQ(counts->average_bits, average);
    }
  }
}

TEST(ExpertCounts, CompatKeepsTheAverageForMoreExperts) {
  for (std::size_t steps = 0; steps <= 128; ++steps) {
    const double average = 1.0 + static_cast<double>(steps) / 64.0;
    const auto counts = expert_counts(64, kThree, average, CountRule::kCompat);
    ASSERT_TRUE(counts) << sentence(counts);
    EXPECT_EQ(counts->average_bits, average);
    EXPECT_EQ(counts->counts[0] + counts->counts[1] + counts->counts[2], 64u);
  }
}

TEST(ExpertCounts, AnyAverageIsReachedToAHalfStep) {
  for (int i = 0; i <= 2000; ++i) {
    const double average = 1.0 + 0.001 * i;
    for (const std::size_t experts : {1, 2, 3, 5, 7, 60}) {
      const auto counts = expert_counts(experts, kThree, average);
      ASSERT_TRUE(counts) << sentence(counts);
      const double slack = 0.5 / static_cast<double>(experts) + 1e-9;
      EXPECT_NEAR(counts->average_bits, average, slack);
      EXPECT_EQ(counts->counts[0] + counts->counts[1] + counts->counts[2], experts);
    }
  }
}

TEST(ExpertCounts, TwoLevelsRoundHalvesToEven) {
  const auto counts_of = [](double average, std::array<int, 2> levels, std::size_t experts) {
    const auto counts = expert_counts(experts, levels, average);
    EXPECT_TRUE(counts) << sentence(counts);
    return std::pair(counts->counts[0], counts->average_bits);
  };
  EXPECT_EQ(counts_of(2.5, {3, 2}, 8), std::pair(std::size_t{4}, 2.5));
  EXPECT_EQ(counts_of(2.125, {3, 2}, 64), std::pair(std::size_t{8}, 2.125));
  EXPECT_EQ(counts_of(2.125, {3, 1}, 8), std::pair(std::size_t{4}, 2.0));  // 4.5
  EXPECT_EQ(counts_of(2.375, {3, 1}, 8), std::pair(std::size_t{6}, 2.5));  // 5.5
  EXPECT_EQ(counts_of(3.0, {3, 2}, 8), std::pair(std::size_t{8}, 3.0));
  EXPECT_EQ(counts_of(2.0, {3, 2}, 8), std::pair(std::size_t{0}, 2.0));
}

TEST(ExpertCounts, RefusesByName) {
  const auto refused = [](std::vector<int> levels, double average) {
    return expert_counts(8, levels, average);
  };
  constexpr auto kCode = ErrorCode::kInvalidArgument;
  expect_error(refused({4, 3, 1}, 2.0), kCode, {"4/3/1", "equally spaced"});
  expect_error(refused({2, 3}, 2.5), kCode, {"2/3", "highest to the lowest"});
  expect_error(refused({3, 3}, 3.0), kCode, {"3/3"});
  expect_error(refused({3}, 3.0), kCode, {"1 entries", "2 or 3"});
  expect_error(refused({5, 4, 3, 2}, 3.0), kCode, {"4 entries"});
  expect_error(refused({3, 2, 1}, 3.25), kCode, {"average_bits is 3.25", "1 to 3"});
  expect_error(refused({3, 2, 1}, 0.5), kCode, {"average_bits is 0.5"});
  expect_error(refused({3, 2}, std::numeric_limits<double>::quiet_NaN()), kCode, {"nan"});
}

TEST(ExpertCounts, HandsBitsOutInTheOrder) {
  const auto counts = expert_counts(4, kThree, 2.25);
  ASSERT_TRUE(counts) << sentence(counts);
  EXPECT_EQ(counts->counts, (std::vector<std::size_t>{2, 1, 1}));
  const std::array<std::size_t, 4> order = {2, 0, 3, 1};
  EXPECT_EQ(counts->bits_by_expert(order), (std::vector<int>{3, 1, 3, 2}));
}

}  // namespace
}  // namespace trine::plan
