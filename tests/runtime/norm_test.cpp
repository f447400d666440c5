#include "runtime/norm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <optional>
#include <vector>

#include "support/expect_error.h"
#include "support/memory_weights.h"
#include "support/random_matrices.h"

namespace trine::runtime {
namespace {

using testing_support::expect_error;
using testing_support::MemoryWeights;
using testing_support::random_normal;

TEST(RmsNorm, AgreesWithTheFormulaInDouble) {
  constexpr std::size_t kWidth = 67, kTokens = 3;
  constexpr double kEps = 0.3;  // large, so that a forgotten eps shows
  const auto inputs = random_normal(kTokens * kWidth, 1, 2.0);
  const auto weight = random_normal(kWidth, 2);
  std::vector<float> outputs(inputs.size());
  rms_norm(inputs.data(), kTokens, weight, kEps, outputs.data());

  for (std::size_t token = 0; token < kTokens; ++token) {
    double squares = 0.0;
    for (std::size_t i = 0; i < kWidth; ++i) {
      squares += std::pow(double{inputs[token * kWidth + i]}, 2);
    }
    const double root = std::sqrt(squares / kWidth + kEps);
    for (std::size_t i = 0; i < kWidth; ++i) {
      const double expected = inputs[token * kWidth + i] / root * weight[i];
      // Three roundings to fp32: the factor and two products; the rest is double.
      EXPECT_NEAR(outputs[token * kWidth + i], expected, 3.01 * 0x1p-24 * std::abs(expected));
    }
  }
}

TEST(RmsNorm, OfAConstantIsTheWeight) {
  const std::vector<float> inputs(8, -2.0f);
  const std::vector<float> weight = {1, 2, 3, 4, 5, 6, 7, 8};
  std::vector<float> outputs(8);
  rms_norm(inputs.data(), 1, weight, 0.0, outputs.data());
  for (std::size_t i = 0; i < 8; ++i) EXPECT_EQ(outputs[i], -weight[i]);  // root is 2: exact
}

TEST(RmsNorm, OfZerosIsZero) {
  const std::vector<float> inputs(8, 0.0f);
  const std::vector<float> weight(8, 1.0f);
  std::vector<float> outputs(8, 1.0f);
  rms_norm(inputs.data(), 1, weight, 1e-5, outputs.data());
  EXPECT_EQ(outputs, inputs);
}

TEST(RmsNorm, DoesNotOverflowWhereFloatWould) {
  const std::vector<float> inputs(4, 1e30f);  // its square is beyond fp32
  const std::vector<float> weight(4, 1.0f);
  std::vector<float> outputs(4);
  rms_norm(inputs.data(), 1, weight, 1e-5, outputs.data());
  for (const float output : outputs) EXPECT_NEAR(output, 1.0f, 3 * 0x1p-24);
}

TEST(LayerNorm, AgreesWithTheFormulaInDouble) {
  constexpr std::size_t kWidth = 67, kTokens = 3;
  constexpr double kEps = 0.3;  // large, so that a forgotten eps shows
  auto inputs = random_normal(kTokens * kWidth, 3, 2.0);
  for (float& input : inputs) input += 5.0f;  // a mean that must be taken away
  const auto weight = random_normal(kWidth, 4);
  const auto bias = random_normal(kWidth, 5);
  std::vector<float> outputs = inputs;  // in place
  layer_norm(outputs.data(), kTokens, weight, bias, kEps, outputs.data());

  for (std::size_t token = 0; token < kTokens; ++token) {
    const float* row = inputs.data() + token * kWidth;
    double mean = 0.0, variance = 0.0;
    for (std::size_t i = 0; i < kWidth; ++i) mean += row[i] / double{kWidth};
    for (std::size_t i = 0; i < kWidth; ++i) {
      variance += std::pow(row[i] - mean, 2) / double{kWidth};
    }
    for (std::size_t i = 0; i < kWidth; ++i) {
      const double scaled = (row[i] - mean) / std::sqrt(variance + kEps) * weight[i];
      // Two roundings of the product (the factor, the product), one of the sum.
      const double tolerance =
          (2.01 * std::abs(scaled) + 1.01 * std::abs(scaled + bias[i])) * 0x1p-24;
      EXPECT_NEAR(outputs[token * kWidth + i], scaled + bias[i], tolerance);
    }
  }
}

TEST(LayerNorm, OfAConstantIsTheBias) {
  const std::vector<float> inputs(4, 3.0f), weight(4, 7.0f), bias = {1, 2, 3, 4};
  std::vector<float> outputs(4);
  layer_norm(inputs.data(), 1, weight, bias, 1e-5, outputs.data());
  EXPECT_EQ(outputs, bias);
}

TEST(Norm, IsOfTheKindAndEpsItsSpecSays) {
  const auto inputs = random_normal(8, 6);
  const auto weight = random_normal(4, 7);
  const auto bias = random_normal(4, 8);
  MemoryWeights source;
  source.set("w", DType::kF32, {4}, weight);
  source.set("b", DType::kF32, {4}, bias);
  const VectorSpec w{.name = "w", .size = 4}, b{.name = "b", .size = 4};
  for (const std::optional<double> own :
       {std::optional<double>{}, std::optional<double>{0.25}}) {
    const double eps = own.value_or(0.5);
    std::vector<float> expected(8), found(8);
    rms_norm(inputs.data(), 2, weight, eps, expected.data());
    Norm::load({.weight = w, .eps = own}, 0.5, source)->apply(inputs.data(), 2, found.data());
    EXPECT_EQ(found, expected);
    layer_norm(inputs.data(), 2, weight, bias, eps, expected.data());
    const auto norm = Norm::load({.weight = w, .bias = b, .eps = own}, 0.5, source);
    norm->apply(inputs.data(), 2, found.data());
    EXPECT_EQ(found, expected);
    EXPECT_EQ(norm->size(), 4u);
  }
  EXPECT_FALSE(Norm::load({}, 0.5, source)->exists());
  expect_error(Norm::load({.weight = {.name = "none", .size = 4}}, 0.5, source),
               ErrorCode::kNotFound, {"none"});
}

}  // namespace
}  // namespace trine::runtime
