#include "runtime/rope.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/fp32.h"
#include "support/random_matrices.h"

namespace trine::runtime {
namespace {

using testing_support::kUlp;
using testing_support::random_normal;

/// Half-split pairs, frequencies 10000^(−2i/head_dim).
RopeSpec plain_rope(std::size_t head_dim) {
  RopeSpec spec{.rotary_dim = head_dim};
  for (std::size_t i = 0; i < head_dim / 2; ++i) {
    const double exponent = 2.0 * static_cast<double>(i) / static_cast<double>(head_dim);
    spec.frequencies.push_back(static_cast<float>(std::pow(10000.0, -exponent)));
  }
  return spec;
}

std::vector<float> rotated(const std::vector<float>& heads, std::size_t head_dim,
                           std::size_t position) {
  RotaryTable table(plain_rope(head_dim));
  table.set_positions(std::vector{TokenPosition{position, position + 1}});
  std::vector<float> turned = heads;
  table.rotate(0, turned.data(), heads.size() / head_dim, head_dim);
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
  RotaryTable table(plain_rope(16));
  table.set_positions(std::vector<TokenPosition>{{5, 6}, {0, 1}, {9, 10}});
  for (std::size_t token = 0; token < 3; ++token) {
    std::vector<float> turned = head;
    table.rotate(token, turned.data(), 1, 16);
    EXPECT_EQ(turned, rotated(head, 16, std::vector<std::size_t>{5, 0, 9}[token]));
  }
}

TEST(Rope, InterleavedPairsTurnAsHalfSplitOnesInAnotherOrder) {
  RopeSpec spec = plain_rope(8);
  spec.is_interleaved = true;
  RotaryTable table(spec);
  table.set_positions(std::vector{TokenPosition{7, 8}});
  const auto head = random_normal(8, 6);
  std::vector<float> turned = head;
  table.rotate(0, turned.data(), 1, 8);
  const std::vector<float> split = {head[0], head[2], head[4], head[6],
                                    head[1], head[3], head[5], head[7]};
  const auto expected = rotated(split, 8, 7);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(turned[2 * i], expected[i]);
    EXPECT_EQ(turned[2 * i + 1], expected[i + 4]);
  }
}

TEST(Rope, LongSequencesTakeTheLongFrequenciesAndFactor) {
  RopeSpec spec = plain_rope(4);
  spec.original_positions = 10;
  spec.long_frequencies = {0.5f, 0.25f};
  spec.attention_factor = 2.0f;
  spec.long_attention_factor = 3.0f;
  const std::vector<float> head = {1, 0, 0, 0};
  const auto first = [&](std::size_t length) {
    RotaryTable table(spec);
    table.set_positions(std::vector{TokenPosition{2, length}});
    std::vector<float> turned = head;
    table.rotate(0, turned.data(), 1, 4);
    return turned[0];
  };
  EXPECT_NEAR(first(10), 2.0 * std::cos(2.0),
              8 * kUlp);  // as long as the original: still short
  EXPECT_NEAR(first(11), 3.0 * std::cos(1.0), 12 * kUlp);
}

TEST(Rope, DynamicScalingGrowsTheBaseWithTheSequence) {
  RopeSpec spec = plain_rope(4);
  spec.original_positions = 10;
  spec.dynamic_theta = 10000.0;
  spec.dynamic_factor = 2.0;
  RotaryTable table(spec);
  table.set_positions(std::vector{TokenPosition{5, 30}});
  std::vector<float> head = {0, 1, 0, 0};  // the slow pair: theta'^(−1/2) per position
  table.rotate(0, head.data(), 1, 4);
  // theta' = theta · (2·30/10 − 1)^(4/2)
  const double frequency = 1.0 / std::sqrt(10000.0 * 25.0);
  EXPECT_NEAR(head[3], std::sin(5.0 * frequency), 8 * kUlp);
}

}  // namespace
}  // namespace trine::runtime
