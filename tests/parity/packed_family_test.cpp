// Every family survives the walk checkpoint → compress → packed model → logits.
#include <gtest/gtest.h>

#include <cmath>

#include "parity/family_measurement.h"
#include "parity/golden_model.h"

namespace trine::parity {
namespace {

class PackedFamily : public testing::TestWithParam<std::string> {};

TEST_P(PackedFamily, CompressesAndStillSpeaksTheSameLanguage) {
  const auto measured = measure_family(GetParam());
  ASSERT_TRUE(measured) << measured.error().message;
  EXPECT_LE(measured->max_logit_difference, kLogitTolerance);
  EXPECT_TRUE(measured->same_experts);
  // Random weights have no slack: 3 bits change these models by 1 to 3 nats. At 8 bits what is
  // left is rounding (0.0001 to 0.03 nats, 0.14 where a few near ties of a router flip); a matrix
  // that was swapped, transposed or left out would still cost nats.
  EXPECT_LT(measured->kl_8bit, 0.5);
  EXPECT_LT(measured->kl_8bit, measured->kl_3bit);
  EXPECT_TRUE(std::isfinite(measured->kl_3bit));
}

INSTANTIATE_TEST_SUITE_P(EveryGolden, PackedFamily, testing::ValuesIn(golden_names()),
                         [](const auto& tested) { return tested.param; });

}  // namespace
}  // namespace trine::parity
