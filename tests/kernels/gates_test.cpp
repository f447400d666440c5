// The activation of whole vectors against double arithmetic.
#include "kernels/gates.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/random_matrices.h"

namespace trine::kernels {
namespace {

TEST(ApplySilu, AgreesWithDoubles) {
  for (const std::size_t count : {1u, 15u, 16u, 17u, 333u}) {
    std::vector<float> gate = testing_support::random_normal(count, 3);
    for (std::size_t i = 0; i < count; ++i) gate[i] *= static_cast<float>(1 + i % 30);
    const std::vector<float> up = testing_support::random_normal(count, 4);
    std::vector<float> with = gate, without = gate;
    apply_silu(with.data(), up.data(), count);
    apply_silu(without.data(), nullptr, count);
    for (std::size_t i = 0; i < count; ++i) {
      const double x = gate[i], expected = x / (1.0 + std::exp(-x));
      // 2 units of the exponential, and one rounding each for the sum, the quotient, the product:
      // 5 · 2^-23 of the result bounds them. Below −87 the exponential stays what it is there.
      const double floor = x < -87.0 ? std::abs(x) * std::exp(-87.0) : 0.0;
      const double tolerance = 5.0 * std::ldexp(std::abs(expected), -23) + floor;
      EXPECT_NEAR(without[i], expected, tolerance) << "silu of " << x;
      EXPECT_NEAR(with[i], expected * static_cast<double>(up[i]),
                  tolerance * (std::abs(static_cast<double>(up[i])) + 1e-3));
    }
  }
}

TEST(ApplySilu, FarInputsStayFinite) {
  std::vector<float> gate = {-1e30f, -200.0f, -88.0f, 0.0f, 88.0f, 200.0f, 1e30f};
  const std::vector<float> inputs = gate;
  apply_silu(gate.data(), nullptr, gate.size());
  for (std::size_t i = 0; i < 2; ++i)
    EXPECT_LE(std::abs(gate[i]), std::abs(inputs[i]) * 1e-37f);
  EXPECT_EQ(gate[3], 0.0f);
  for (std::size_t i = 4; i < 7; ++i) EXPECT_EQ(gate[i], inputs[i]);
}

/// The last few go through the same arithmetic, so where a vector is cut changes nothing.
TEST(ApplySilu, DoesNotDependOnWhereAVectorIsCut) {
  const std::vector<float> inputs = testing_support::random_normal(50, 5);
  std::vector<float> together = inputs, apart = inputs;
  apply_silu(together.data(), nullptr, 50);
  apply_silu(apart.data(), nullptr, 21);
  apply_silu(apart.data() + 21, nullptr, 29);
  EXPECT_EQ(together, apart);
}

}  // namespace
}  // namespace trine::kernels
