#include "runtime/rope.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/random_matrices.h"

namespace trine::runtime {
namespace {

using testing_support::random_normal;

constexpr double kUlp = 0x1p-24;  ///< largest relative error of one fp32 rounding

std::vector<float> rotated(const std::vector<float>& heads, std::size_t head_dim,
                           std::size_t position) {
  RotaryTable table(head_dim, 10000.0);
  table.set_positions(std::vector{position});
  std::vector<float> turned = heads;
  table.rotate(0, turned.data(), heads.size() / head_dim);
  return turned;
}

double dot(const std::vector<float>& left, const std::vector<float>& right) {
  double sum = 0.0;
  for (std::size_t i = 0; i < left.size(); ++i) sum += double{left[i]} * right[i];
  return sum;
}

TEST(Rope, LeavesPositionZeroAlone) {
  const auto heads = random_normal(3 * 16, 1);
  EXPECT_EQ(rotated(heads, 16, 0), heads);
}

TEST(Rope, TurnsHalfSplitPairsByTheirAngles) {
  // head_dim 4: pair 0 is (x0, x2) with frequency 1, pair 1 is (x1, x3) with frequency 0.01.
  const std::vector<float> heads = {1, 2, 3, 4, 5, 6, 7, 8};
  const auto turned = rotated(heads, 4, 3);
  const double fast = 3.0, slow = 0.03;
  for (std::size_t head = 0; head < 2; ++head) {
    const float* x = heads.data() + head * 4;
    const float* y = turned.data() + head * 4;
    // 10: the largest pair is (6, 8). The angle (its frequency and product rounded, at most 3)
    // is off by 6 ulp, table and arithmetic by 3 more.
    const double tolerance = 10.0 * (6.0 + 3.0) * kUlp;
    EXPECT_NEAR(y[0], x[0] * std::cos(fast) - x[2] * std::sin(fast), tolerance);
    EXPECT_NEAR(y[2], x[2] * std::cos(fast) + x[0] * std::sin(fast), tolerance);
    EXPECT_NEAR(y[1], x[1] * std::cos(slow) - x[3] * std::sin(slow), tolerance);
    EXPECT_NEAR(y[3], x[3] * std::cos(slow) + x[1] * std::sin(slow), tolerance);
  }
}

TEST(Rope, PreservesLengths) {
  for (const std::size_t position : {1u, 100u, 5000u, 1'000'000u}) {
    const auto head = random_normal(64, 2);
    const auto turned = rotated(head, 64, position);
    const double before = std::sqrt(dot(head, head));
    // Each output x·cos ∓ y·sin sees three roundings (table, product, sum), so it is off by
    // 3 ulp · (|x||cos| + |y||sin|) ≤ 3 ulp · |(x, y)|, both of a pair by √2 times that.
    EXPECT_NEAR(std::sqrt(dot(turned, turned)), before, 3.0 * std::sqrt(2.0) * kUlp * before);
  }
}

TEST(Rope, MakesScoresDependOnDistanceOnly) {
  const auto query = random_normal(32, 3);
  const auto key = random_normal(32, 4);
  const double length = std::sqrt(dot(query, query) * dot(key, key));
  const auto score = [&](std::size_t query_position, std::size_t key_position) {
    return dot(rotated(query, 32, query_position), rotated(key, 32, key_position));
  };
  // Two scores, two rotations each: an angle below 128 is rounded by at most 128 ulp (the
  // frequency's rounding is the same everywhere), the arithmetic adds 3√2 ulp per rotation.
  const double tolerance = 4.0 * (128.0 + 3.0 * std::sqrt(2.0)) * kUlp * length;
  const double near_start = score(9, 2);
  EXPECT_NEAR(score(77, 70), near_start, tolerance);
  EXPECT_NEAR(score(127, 120), near_start, tolerance);
  EXPECT_GT(std::abs(score(77, 71) - near_start), 100.0 * tolerance);  // another distance
}

TEST(Rope, UsesThePositionOfEachToken) {
  const auto head = random_normal(16, 5);
  RotaryTable table(16, 10000.0);
  table.set_positions(std::vector<std::size_t>{5, 0, 9});
  for (std::size_t token = 0; token < 3; ++token) {
    std::vector<float> turned = head;
    table.rotate(token, turned.data(), 1);
    EXPECT_EQ(turned, rotated(head, 16, std::vector<std::size_t>{5, 0, 9}[token]));
  }
}

}  // namespace
}  // namespace trine::runtime
