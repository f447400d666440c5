#include "runtime/norm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/random_matrices.h"

namespace trine::runtime {
namespace {

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

}  // namespace
}  // namespace trine::runtime
