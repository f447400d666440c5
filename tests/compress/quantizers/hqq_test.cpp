// HQQ against a plain transcription of its formulas, prox step included.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "compress/quantizers/quantizer.h"
#include "support/random_matrices.h"

namespace trine::compress {
namespace {

constexpr std::size_t kGroup = 64;

/// The published loop on groups of 64, in double, powers always computed.
struct Transcription {
  std::vector<int> codes{};
  std::vector<double> inverses{}, zeros{};
  int steps = 0;
  bool shrink_fired = false;

  Transcription(const std::vector<float>& values, int bits) : codes(values.size()) {
    const double most = std::pow(2.0, bits) - 1.0;
    const std::size_t groups = values.size() / kGroup;
    for (std::size_t g = 0; g < groups; ++g) {
      const auto [low, high] =
          std::minmax_element(values.begin() + static_cast<std::ptrdiff_t>(g * kGroup),
                              values.begin() + static_cast<std::ptrdiff_t>((g + 1) * kGroup));
      inverses.push_back(std::min(most / (static_cast<double>(*high) - *low), 2e4));
      zeros.push_back(-*low * inverses.back());
    }
    double best = 1e4, penalty = 10.0;
    for (steps = 0; steps < 20; ++steps, penalty *= 1.01) {
      double total = 0.0;
      for (std::size_t g = 0; g < groups; ++g) {
        double sum = 0.0;
        for (std::size_t i = g * kGroup; i < (g + 1) * kGroup; ++i) {
          const double code =
              std::clamp(std::nearbyint(values[i] * inverses[g] + zeros[g]), 0.0, most);
          const double error = values[i] - (code - zeros[g]) / inverses[g];
          const double size = std::abs(error);
          const double kept =
              size == 0.0 ? 0.0 : std::max(0.0, size - std::pow(size, 0.7 - 1.0) / penalty);
          shrink_fired |= kept > 0.0;
          sum += code - (values[i] - std::copysign(kept, error)) * inverses[g];
          total += size;
        }
        zeros[g] = sum / static_cast<double>(kGroup);
      }
      const double mean = total / static_cast<double>(values.size());
      if (!(mean < best)) break;
      best = mean;
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double scaled = values[i] * inverses[i / kGroup] + zeros[i / kGroup];
      codes[i] = static_cast<int>(std::clamp(std::nearbyint(scaled), 0.0, most));
    }
  }
};

void expect_same(const std::vector<float>& values, int bits, const Transcription& expected) {
  const auto matrix =
      quantizer_named("hqq").value()->quantize({4, values.size() / 4, values}, {.bits = bits});
  ASSERT_TRUE(matrix) << matrix.error().message;
  std::size_t differing = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    differing += matrix->codes[i] != expected.codes[i] ? 1u : 0u;
  }
  // fp32 against double: a weight within 2^-20 of a rounding edge may fall on the other side.
  EXPECT_LE(differing, values.size() / 1000);
  for (std::size_t g = 0; g < expected.zeros.size(); ++g) {
    // fp16 rounding of the stored zero, and a differing code moves a mean of 64 by 1/64.
    EXPECT_NEAR(matrix->zeros[g], expected.zeros[g], 1.5 / 64 + std::ldexp(255.0, -11));
    EXPECT_NEAR(matrix->scales[g] * expected.inverses[g], 1.0, std::ldexp(1.0, -10));
  }
}

TEST(Hqq, MatchesThePublishedLoopAtTheScaleOfWeights) {
  const auto values = testing_support::random_normal(4096, 21, 0.02);
  for (const int bits : {2, 3, 4, 8}) {
    const Transcription expected(values, bits);
    EXPECT_FALSE(expected.shrink_fired) << "errors of 10^-3 are below the threshold of 0.17";
    expect_same(values, bits, expected);
  }
}

TEST(Hqq, MatchesThePublishedLoopWhereTheShrinkFires) {
  const auto values = testing_support::random_normal(4096, 22, 2.0);
  const Transcription expected(values, 2);
  EXPECT_TRUE(expected.shrink_fired);
  expect_same(values, 2, expected);
}

/// Steps until nothing changes, at most 20, for each group apart: what the quantizer promises.
std::vector<double> settled_zeros(const std::vector<float>& values, std::size_t cols,
                                  std::size_t group_size, int bits) {
  const double most = std::pow(2.0, bits) - 1.0;
  std::vector<double> zeros;
  for (std::size_t row = 0; row < values.size() / cols; ++row) {
    for (std::size_t first = 0; first < cols; first += group_size) {
      const std::span group(values.data() + row * cols + first,
                            std::min(group_size, cols - first));
      const auto [low, high] = std::minmax_element(group.begin(), group.end());
      const double inverse = most / (static_cast<double>(*high) - *low);
      double zero = -*low * inverse;
      for (int step = 0; step < 20; ++step) {
        double sum = 0.0;
        for (const float value : group) {
          sum +=
              std::clamp(std::nearbyint(value * inverse + zero), 0.0, most) - value * inverse;
        }
        zero = sum / static_cast<double>(group.size());
      }
      zeros.push_back(zero);
    }
  }
  return zeros;
}

/// Short last groups, and numbers of groups that are no multiple of those worked on together.
TEST(Hqq, SettlesGroupsOfEverySizeAndNumber) {
  for (const std::size_t group_size : {32u, 64u, 128u}) {
    for (const std::size_t cols : {group_size, 3 * group_size + 5, 17 * group_size + 31}) {
      const auto values = testing_support::random_normal(3 * cols, cols, 0.02);
      const auto expected = settled_zeros(values, cols, group_size, 3);
      const auto matrix = quantizer_named("hqq").value()->quantize(
          {3, cols, values}, {.bits = 3, .group_size = group_size});
      ASSERT_TRUE(matrix) << matrix.error().message;
      ASSERT_EQ(matrix->zeros.size(), expected.size());
      std::size_t far = 0;  // fp32 against double: one code on the other side of an edge
      for (std::size_t g = 0; g < expected.size(); ++g) {
        // fp16 keeps zeros below 8 to 2^-9.
        far += std::abs(matrix->zeros[g] - expected[g]) > std::ldexp(1.0, -8) ? 1u : 0u;
      }
      EXPECT_LE(far, expected.size() / 50) << group_size << ' ' << cols;
    }
  }
}

/// Two steps from where another pass ended: for the same weights nothing is left to do.
TEST(Hqq, StaysWhereItsStartHasSettled) {
  const auto values = testing_support::random_normal(8 * 512, 25, 0.02);
  const auto quantizer = quantizer_named("hqq").value();
  const auto first = quantizer->quantize({8, 512, values}, {.bits = 3}).value();
  const auto again =
      quantizer->quantize({8, 512, values}, {.bits = 3, .start = &first}).value();
  EXPECT_EQ(first.scales, again.scales);
  std::size_t moved = 0;  // fp16 rounding of a start may push a weight over an edge
  for (std::size_t g = 0; g < first.zeros.size(); ++g) {
    moved += first.zeros[g] != again.zeros[g] ? 1u : 0u;
  }
  EXPECT_LE(moved, first.zeros.size() / 20);
}

TEST(Hqq, IsBetterThanRtnOnNormalWeights) {
  const auto values = testing_support::random_normal(64 * 256, 23, 0.02);
  const auto error_of = [&](const char* name) {
    const auto matrix =
        quantizer_named(name).value()->quantize({64, 256, values}, {.bits = 3}).value();
    double error = 0.0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::size_t group = i / kGroup;
      const double restored = (matrix.codes[i] - matrix.zeros[group]) * matrix.scales[group];
      error += std::pow(values[i] - restored, 2);
    }
    return std::sqrt(error);
  };
  EXPECT_LT(error_of("hqq"), 0.97 * error_of("rtn"));  // 0.184 against 0.192 on real weights
}

}  // namespace
}  // namespace trine::compress
