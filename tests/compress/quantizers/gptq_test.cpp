// Error feedback: against the textbook's elimination in double, and for what it is good for.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <tuple>
#include <vector>

#include "compress/factors.h"
#include "compress/input_metric.h"
#include "compress/quantizers/error_feedback.h"
#include "compress/quantizers/quantizer.h"
#include "support/input_moments.h"
#include "support/random_matrices.h"

namespace trine::compress {
namespace {

constexpr std::size_t kGptqRows = 70,
                      kGptqCols = 150;  // two panels of rows, a short last group

using testing_support::correlated;
using testing_support::Moments;
using testing_support::uncorrelated;

QuantizedMatrix quantized(const char* name, const std::vector<float>& weights,
                          const Moments& moments, QuantizerOptions options) {
  options.moments = moments.view();
  auto matrix = quantizer_named(name).value()->quantize(
      {weights.size() / kGptqCols, kGptqCols, weights}, options);
  EXPECT_TRUE(matrix) << matrix.error().message;
  return std::move(*matrix);
}

/// Removes input `gone` from the inverse of the remaining inputs' moments (arXiv 2208.11580, eq. 3).
void eliminate(std::vector<double>& inverse, std::size_t size, std::size_t gone) {
  std::vector<double> line(size);
  for (std::size_t i = 0; i < size; ++i) line[i] = inverse[gone * size + i];
  const double pivot = line[gone];
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t j = 0; j < size; ++j) inverse[i * size + j] -= line[i] * line[j] / pivot;
  }
}

/// Gauss–Jordan; the matrix is positive definite.
std::vector<double> inverted(std::vector<double> matrix, std::size_t size) {
  std::vector<double> inverse(size * size);
  for (std::size_t i = 0; i < size; ++i) inverse[i * size + i] = 1.0;
  for (std::size_t pivot = 0; pivot < size; ++pivot) {
    const double factor = 1.0 / matrix[pivot * size + pivot];
    for (std::size_t j = 0; j < size; ++j) {
      matrix[pivot * size + j] *= factor;
      inverse[pivot * size + j] *= factor;
    }
    for (std::size_t i = 0; i < size; ++i) {
      const double share = matrix[i * size + pivot];
      if (i == pivot || share == 0.0) continue;
      for (std::size_t j = 0; j < size; ++j) {
        matrix[i * size + j] -= share * matrix[pivot * size + j];
        inverse[i * size + j] -= share * inverse[pivot * size + j];
      }
    }
  }
  return inverse;
}

class GptqWidths : public testing::TestWithParam<std::tuple<int, int>> {};

/// Replays the quantizer's own choices with explicit inverses in double: every code must be the
/// nearest one to its weight as the earlier errors have left it.
TEST_P(GptqWidths, EveryCodeIsTheNearestToTheUpdatedWeight) {
  const auto [bits, metadata_bits] = GetParam();
  constexpr std::size_t kGroup = 32;
  const auto weights = testing_support::random_normal(kGptqRows * kGptqCols, 3, 0.1);
  const Moments moments = correlated(kGptqCols, kGptqCols);
  const QuantizedMatrix matrix =
      quantized("gptq", weights, moments,
                {.bits = bits, .group_size = kGroup, .metadata_bits = metadata_bits});
  std::vector<double> inverse(moments.blocks.begin(), moments.blocks.end());
  double mean = 0.0;
  for (const float value : moments.diagonal) mean += value;
  for (std::size_t i = 0; i < kGptqCols; ++i)
    inverse[i * kGptqCols + i] += 0.01 * mean / kGptqCols;
  inverse = inverted(std::move(inverse), kGptqCols);
  std::vector<double> updated(weights.begin(), weights.end());
  const double most = std::ldexp(1.0, bits) - 1.0;
  for (const std::uint32_t col : largest_first(moments.blocks, kGptqCols, kGroup)) {
    const double pivot = inverse[col * kGptqCols + col];
    for (std::size_t row = 0; row < kGptqRows; ++row) {
      const std::size_t group = row * matrix.num_groups() + col / kGroup;
      const double scale = matrix.scales[group], zero = matrix.zeros[group];
      const double code = matrix.codes[row * kGptqCols + col];
      const double wanted =
          std::clamp(updated[row * kGptqCols + col] / scale + zero, 0.0, most);
      // fp32 sums over 150 inputs of a few steps each: below 150 · 2^-24 · 2^8 steps.
      EXPECT_LE(std::abs(wanted - code), 0.5 + 3e-3) << row << ", " << col;
      const double error = updated[row * kGptqCols + col] - (code - zero) * scale;
      for (std::size_t later = 0; later < kGptqCols; ++later) {
        updated[row * kGptqCols + later] -= error * inverse[col * kGptqCols + later] / pivot;
      }
    }
    eliminate(inverse, kGptqCols, col);
    inverse[col * kGptqCols + col] = 1.0;  // gone; never read again but as its own pivot
  }
}

INSTANTIATE_TEST_SUITE_P(All, GptqWidths,
                         testing::Combine(testing::Values(2, 3, 4, 8), testing::Values(16, 8)));

TEST(Gptq, CorrelatedInputsLoseLessThanWithLeastSquares) {
  const auto weights = testing_support::random_normal(kGptqRows * kGptqCols, 3, 0.1);
  const MatrixView view{kGptqRows, kGptqCols, weights};
  for (const std::size_t block_size : {kGptqCols, std::size_t{64}}) {
    const Moments moments = correlated(kGptqCols, block_size);
    for (const int bits : {2, 3, 4}) {
      const auto error = [&](const char* name) {
        auto rest = dequantized(quantized(name, weights, moments, {.bits = bits}), 1);
        for (std::size_t i = 0; i < rest.size(); ++i) rest[i] = weights[i] - rest[i];
        const MatrixView errors{kGptqRows, kGptqCols, rest};
        return inner_product(errors, errors, moments.view(), 1) /
               inner_product(view, view, moments.view(), 1);
      };
      EXPECT_LT(error("gptq"), 0.5 * error("trine")) << bits << ", " << block_size;
      EXPECT_LT(error("gptq"), error("gptq-compat")) << bits << ", " << block_size;
    }
  }
}

TEST(Gptq, InputsWithoutCorrelationTakeTheNearestCodes) {
  const auto weights = testing_support::random_normal(kGptqRows * kGptqCols, 5, 0.1);
  for (const char* name : {"gptq", "gptq-compat"}) {
    const QuantizedMatrix matrix =
        quantized(name, weights, uncorrelated(kGptqCols), {.bits = 3});
    const auto restored = dequantized(matrix, 1);
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const float scale =
          matrix.scales[i / kGptqCols * matrix.num_groups() + i % kGptqCols / 64];
      const float zero = matrix.zeros[i / kGptqCols * matrix.num_groups() + i % kGptqCols / 64];
      const float wanted = std::clamp(std::nearbyint(weights[i] / scale + zero), 0.0f, 7.0f);
      EXPECT_LE(std::abs(weights[i] - restored[i]),
                std::abs(weights[i] - (wanted - zero) * scale) + 1e-5f * scale);
    }
  }
}

TEST(Gptq, CompatHasNoFeedbackWithinABlockUpToThreeBits) {
  // 64 inputs: one block. Without feedback every code is the nearest to the original weight.
  const auto weights = testing_support::random_normal(64 * 8, 5, 0.1);
  const Moments moments = correlated(64, 64);
  const auto misses = [&](int bits) {
    const auto matrix =
        quantizer_named("gptq-compat")
            .value()
            ->quantize({8, 64, weights}, {.bits = bits, .moments = moments.view()})
            .value();
    const float most = static_cast<float>((1 << bits) - 1);
    int count = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const float wanted = weights[i] / matrix.scales[i / 64] + matrix.zeros[i / 64];
      count += std::abs(std::clamp(wanted, 0.0f, most) - matrix.codes[i]) > 0.5001f;
    }
    return count;
  };
  EXPECT_EQ(misses(2), 0);
  EXPECT_EQ(misses(3), 0);
  EXPECT_GT(misses(4), 50);
}

TEST(Gptq, ResultsDoNotDependOnThreads) {
  const auto weights = testing_support::random_normal(kGptqRows * kGptqCols, 5, 0.1);
  const Moments moments = correlated(kGptqCols, 64);
  const auto one = quantized("gptq", weights, moments, {.bits = 3, .threads = 1});
  const auto three = quantized("gptq", weights, moments, {.bits = 3, .threads = 3});
  EXPECT_EQ(one.codes, three.codes);
  EXPECT_EQ(one.scales, three.scales);
  EXPECT_EQ(one.zeros, three.zeros);
}

TEST(Gptq, WantsProductsOfInputs) {
  const std::vector<float> weights(64, 0.5f), diagonal(64, 1.0f);
  const auto matrix = quantizer_named("gptq").value()->quantize(
      {1, 64, weights}, {.bits = 3, .moments = {diagonal, 0, {}}});
  ASSERT_FALSE(matrix);
  EXPECT_EQ(matrix.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(matrix.error().message.find("trine calibrate --moments full"), std::string::npos);
}

TEST(ErrorFeedback, CostsNeverExceedTheInputsOwnSize) {
  const Moments moments = correlated(kGptqCols, kGptqCols);
  const ErrorFeedback feedback(moments.blocks, natural_order(kGptqCols), 0.01);
  double mean = 0.0;
  for (const float value : moments.diagonal) mean += value / kGptqCols;
  for (std::size_t i = 0; i < kGptqCols; ++i) {
    EXPECT_LE(feedback.cost(i), (moments.diagonal[i] + 0.01 * mean) * 1.0001);
    EXPECT_GT(feedback.cost(i), 0.0f);
  }
  // The last input has nobody behind it: its cost is what no other input explains… of itself.
  EXPECT_NEAR(feedback.cost(kGptqCols - 1), moments.diagonal[kGptqCols - 1] + 0.01 * mean,
              1e-3 * moments.diagonal[kGptqCols - 1]);
}

TEST(ErrorFeedback, InputsThatAreAlwaysEqualAreDampedApart) {
  const std::vector<float> ones(32 * 32, 1.0f);
  const ErrorFeedback feedback(ones, natural_order(32), 0.01);
  // The 31 − i inputs behind share the error evenly, but for what damping takes.
  for (std::size_t i = 0; i < 31; ++i) {
    EXPECT_NEAR(feedback.shares(i)[i + 1], -1.0 / (31.01 - static_cast<double>(i)), 1e-4);
  }
}

}  // namespace
}  // namespace trine::compress
