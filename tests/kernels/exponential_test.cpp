// Exponentials of whole vectors against double arithmetic.
#include "kernels/exponential.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "support/random_matrices.h"

namespace trine::kernels {
namespace {

constexpr float kNoSink = -std::numeric_limits<float>::infinity();

TEST(Exponentiate, IsWithinTwoUnits) {
  std::vector<float> values;
  for (int i = -8700; i <= 8700; ++i) values.push_back(0.01f * static_cast<float>(i));
  std::vector<float> powers = values;
  exponentiate(powers.data(), powers.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double expected = std::exp(static_cast<double>(values[i]));
    EXPECT_NEAR(powers[i], expected, 2.0 * std::ldexp(expected, -23)) << values[i];
  }
}

TEST(Exponentiate, FarValuesAndNan) {
  std::vector<float> values = {-1e30f, -std::numeric_limits<float>::infinity(), 1e30f, NAN};
  exponentiate(values.data(), values.size());
  EXPECT_FLOAT_EQ(values[0], std::exp(-87.0f));
  EXPECT_EQ(values[1], values[0]);
  EXPECT_FLOAT_EQ(values[2], std::exp(87.0f));
  EXPECT_TRUE(std::isnan(values[3]));
}

TEST(Softmax, AgreesWithDoubles) {
  for (const std::size_t count : {1u, 15u, 16u, 17u, 200u}) {
    for (const float sink : {kNoSink, 1.5f, 60.0f}) {
      std::vector<float> scores = testing_support::random_normal(count, 3);
      for (float& score : scores) score = 8.0f * score + 100.0f;  // e^score would overflow
      double sum = std::exp(static_cast<double>(sink) - 100.0);
      for (const float score : scores) sum += std::exp(static_cast<double>(score) - 100.0);
      std::vector<float> shares = scores;
      softmax(shares.data(), count, sink);
      for (std::size_t i = 0; i < count; ++i) {
        const double expected = std::exp(static_cast<double>(scores[i]) - 100.0) / sum;
        // The difference to the largest is rounded once (below 64: 2^-19), the exponential is
        // within two units, the sum of positive terms rounds at most 32 times, the quotient once.
        EXPECT_NEAR(shares[i], expected, expected * 2.0 * std::ldexp(1.0, -18)) << count;
      }
    }
  }
}

TEST(Softmax, ASinkTakesItsShareAndNothingElse) {
  std::vector<float> scores = {2.0f, 2.0f};
  softmax(scores.data(), 2, 2.0f);
  EXPECT_FLOAT_EQ(scores[0], 1.0f / 3.0f);
  EXPECT_EQ(scores[0], scores[1]);
}

TEST(Softmax, WhatIsNotANumberIsNotHidden) {
  std::vector<float> scores(20, 1.0f);
  scores[18] = NAN;
  softmax(scores.data(), scores.size(), kNoSink);
  EXPECT_TRUE(std::isnan(scores[0]));
}

TEST(LargestIndex, IsTheFirstOfTheLargest) {
  for (const std::size_t count : {1u, 15u, 16u, 64u, 65u, 1000u}) {
    std::vector<float> values = testing_support::random_normal(count, 3);
    for (std::size_t place = 0; place < count; place += 1 + count / 40) {
      std::vector<float> changed = values;
      changed[place] = 100.0f;
      changed[count - 1] = 100.0f;
      EXPECT_EQ(largest_index(changed.data(), count), place) << count;
    }
  }
  std::vector<float> strange(40, NAN);
  EXPECT_EQ(largest_index(strange.data(), 40), 0u);
  std::vector<float> none(40, kNoSink);
  EXPECT_EQ(largest_index(none.data(), 40), 0u);
  none[39] = -1e30f;
  EXPECT_EQ(largest_index(none.data(), 40), 39u);
}

}  // namespace
}  // namespace trine::kernels
