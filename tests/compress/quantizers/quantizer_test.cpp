// Laws every quantizer keeps, on inputs whose answer is known.
#include "compress/quantizers/quantizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "base/dtype.h"
#include "support/random_matrices.h"

namespace trine::compress {
namespace {

constexpr std::array kEveryBits = {2, 3, 4, 5, 6, 8};

struct Restored {
  QuantizedMatrix matrix;
  std::vector<float> values;
};

Restored quantize(const char* name, const std::vector<float>& values, std::size_t rows,
                  QuantizerOptions options) {
  const auto quantizer = quantizer_named(name).value();
  auto matrix = quantizer->quantize({rows, values.size() / rows, values}, options);
  EXPECT_TRUE(matrix) << matrix.error().message;
  Restored restored{std::move(*matrix), std::vector<float>(values.size())};
  const std::size_t cols = restored.matrix.cols;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t group =
        i / cols * restored.matrix.num_groups() + i % cols / restored.matrix.group_size;
    restored.values[i] =
        (static_cast<float>(restored.matrix.codes[i]) - restored.matrix.zeros[group]) *
        restored.matrix.scales[group];
  }
  return restored;
}

double relative_error(const std::vector<float>& values, const std::vector<float>& restored) {
  double error = 0.0, size = 0.0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    error += std::pow(static_cast<double>(values[i]) - restored[i], 2);
    size += std::pow(static_cast<double>(values[i]), 2);
  }
  return std::sqrt(error / size);
}

class AnyQuantizer : public testing::TestWithParam<const char*> {};

TEST_P(AnyQuantizer, FlatGroupsAreExact) {
  // Values that fp16 holds: everything bf16 checkpoints contain within fp16's range.
  for (const float value : {0.0f, 0.5f, -0.0123291015625f, 1024.0f, -3.0f}) {
    const std::vector<float> values(64, value);
    const auto restored = quantize(GetParam(), values, 1, {.bits = 3});
    EXPECT_EQ(restored.values, values) << value;
  }
}

TEST_P(AnyQuantizer, TwoPlateausAreKeptToTheRoundingOfTheScale) {
  std::vector<float> values(64, -0.25f);
  std::fill(values.begin() + 20, values.end(), 0.5f);
  for (const int bits : kEveryBits) {
    const auto restored = quantize(GetParam(), values, 1, {.bits = bits});
    for (std::size_t i = 0; i < values.size(); ++i) {
      // Scale and zero are rounded to 11 bits: at most 2^-11 of the range each, in either place.
      EXPECT_NEAR(restored.values[i], values[i], 3 * 0.75 * std::ldexp(1.0, -11)) << bits;
    }
  }
}

TEST_P(AnyQuantizer, NoWeightInsideTheGridMovesByMoreThanHalfAStep) {
  const auto values = testing_support::random_normal(64 * 8, 3, 0.02);
  for (const int bits : kEveryBits) {
    const auto restored = quantize(GetParam(), values, 4, {.bits = bits});
    const double max_code = (1 << bits) - 1;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double step = restored.matrix.scales[i / 64];
      const double zero = restored.matrix.zeros[i / 64];
      // HQQ moves the zero and least squares draws the grid in, so weights may lie beyond its
      // ends; they move to the end. The fp16 rounding of scale and zero moves code 255 by
      // 255 · 2^-11 of a step.
      const double below = -zero * step - values[i];
      const double above = values[i] - (max_code - zero) * step;
      const double outside = std::max({0.0, below, above});
      EXPECT_LE(std::abs(values[i] - restored.values[i]), outside + 0.65 * step)
          << bits << " bits, " << i;
    }
  }
}

TEST_P(AnyQuantizer, MoreBitsAreNeverWorse) {
  const auto values = testing_support::random_normal(128 * 64, 5, 0.02);
  for (const std::size_t group_size : {32u, 64u, 128u}) {
    double last = 1e9;
    for (const int bits : kEveryBits) {
      const auto restored =
          quantize(GetParam(), values, 64, {.bits = bits, .group_size = group_size});
      const double error = relative_error(values, restored.values);
      EXPECT_LT(error, last) << bits << " bits, groups of " << group_size;
      last = error;
    }
  }
}

TEST_P(AnyQuantizer, OneOutlierCostsItsOwnGroupOnly) {
  auto values = testing_support::random_normal(64 * 4, 6, 0.02);
  const auto before = quantize(GetParam(), values, 1, {.bits = 3});
  values[70] = 3.0f;
  const auto after = quantize(GetParam(), values, 1, {.bits = 3});
  for (std::size_t i = 128; i < values.size(); ++i) {
    // HQQ may stop at another step when the mean error changes: the zero moves by less than that.
    EXPECT_NEAR(before.values[i], after.values[i], before.matrix.scales[i / 64]);
  }
  EXPECT_NEAR(after.values[70], 3.0f, 1.0 * after.matrix.scales[1]);
}

TEST_P(AnyQuantizer, ScalingByAPowerOfTwoScalesTheResult) {
  // Exact down to where fp16 scales become subnormal or HQQ's inverse scale is limited.
  const auto values = testing_support::random_normal(256, 8, 0.02);
  auto larger = values;
  for (float& value : larger) value *= 16.0f;
  const auto small = quantize(GetParam(), values, 2, {.bits = 4});
  const auto large = quantize(GetParam(), larger, 2, {.bits = 4});
  EXPECT_EQ(small.matrix.codes, large.matrix.codes);
  EXPECT_EQ(small.matrix.zeros, large.matrix.zeros);
  for (std::size_t i = 0; i < small.matrix.scales.size(); ++i) {
    EXPECT_EQ(small.matrix.scales[i] * 16.0f, large.matrix.scales[i]);
  }
}

TEST_P(AnyQuantizer, ShortLastGroupIsQuantizedOnItsOwn) {
  const auto values = testing_support::random_normal(3 * 70, 9, 0.02);
  const auto restored = quantize(GetParam(), values, 3, {.bits = 8});
  EXPECT_LT(relative_error(values, restored.values), 0.01);
}

TEST_P(AnyQuantizer, MetadataAreFp16AndUsable) {
  std::vector<float> values = testing_support::random_normal(64 * 6, 10, 0.02);
  for (std::size_t i = 0; i < 64; ++i) {
    values[i] = 5.0f + 1e-6f * static_cast<float>(i);    // nearly flat and far from 0
    values[64 + i] = 1e-7f * static_cast<float>(i % 3);  // nearly nothing
    values[128 + i] = i == 7 ? 30000.0f : 0.0f;          // close to the largest weight
  }
  for (const int bits : kEveryBits) {
    const auto restored = quantize(GetParam(), values, 1, {.bits = bits});
    for (std::size_t i = 0; i < restored.matrix.scales.size(); ++i) {
      const float scale = restored.matrix.scales[i];
      const float zero = restored.matrix.zeros[i];
      EXPECT_EQ(scale, f16_to_float(float_to_f16(scale)));
      EXPECT_EQ(zero, f16_to_float(float_to_f16(zero)));
      EXPECT_GT(scale, 0.0f);
    }
    for (std::size_t i = 0; i < 64; ++i) {
      // A zero of up to 1023 steps is kept to half a step: 5/1023 · (1/2 + 1/2).
      EXPECT_NEAR(restored.values[i], values[i], 5.0 / 1023.0) << bits;
    }
  }
}

TEST_P(AnyQuantizer, ResultDoesNotDependOnThreads) {
  const auto values = testing_support::random_normal(128 * 65, 11, 0.02);
  const auto one = quantize(GetParam(), values, 65, {.bits = 3, .threads = 1});
  const auto two = quantize(GetParam(), values, 65, {.bits = 3, .threads = 3});
  EXPECT_EQ(one.matrix.codes, two.matrix.codes);
  EXPECT_EQ(one.matrix.scales, two.matrix.scales);
  EXPECT_EQ(one.matrix.zeros, two.matrix.zeros);
}

TEST_P(AnyQuantizer, RefusesWhatItCannotStore) {
  const auto quantizer = quantizer_named(GetParam()).value();
  const std::vector<float> values(64, 1.0f);
  const auto seven = quantizer->quantize({1, 64, values}, {.bits = 7});
  ASSERT_FALSE(seven);
  EXPECT_EQ(seven.error().code, ErrorCode::kInvalidArgument);
  const auto groups = quantizer->quantize({1, 64, values}, {.bits = 3, .group_size = 48});
  ASSERT_FALSE(groups);
  EXPECT_EQ(groups.error().code, ErrorCode::kInvalidArgument);
  std::vector<float> huge(64, 0.0f);
  huge[3] = 1e6f;
  const auto large = quantizer->quantize({1, 64, huge}, {.bits = 3});
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code, ErrorCode::kUnsupported);
}

INSTANTIATE_TEST_SUITE_P(All, AnyQuantizer, testing::Values("rtn", "hqq", "trine"),
                         [](const auto& tested) { return std::string(tested.param); });

TEST(Registry, UnknownNameListsTheKnownOnes) {
  const auto quantizer = quantizer_named("magic");
  ASSERT_FALSE(quantizer);
  EXPECT_EQ(quantizer.error().message,
            "quantizer \"magic\" is not known; known: rtn, hqq, trine, "
            "gptq, gptq-compat");
}

}  // namespace
}  // namespace trine::compress
