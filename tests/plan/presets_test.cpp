#include "plan/presets.h"

#include <gtest/gtest.h>

namespace trine::plan {
namespace {

TEST(ParsePreset, ReadsQuantizerAndBits) {
  const auto preset = parse_preset("hqq-5bit");
  ASSERT_TRUE(preset);
  EXPECT_EQ(preset->allocator, "uniform");
  EXPECT_EQ(preset->inputs.matrix.quantizer, "hqq");
  EXPECT_EQ(preset->inputs.matrix.bits, 5);
  EXPECT_EQ(preset->rank_strategy, "");
}

TEST(ParsePreset, ReadsThePublishedMethods) {
  const auto milo = parse_preset("milo-s2");
  ASSERT_TRUE(milo);
  EXPECT_EQ(milo->rank_strategy, "dense-1024+kurtosis-32");
  EXPECT_EQ(milo->compensator, "milo-paper");
  EXPECT_EQ(milo->inputs.matrix.bits, 3);
  const auto mixed = parse_preset("expert-mixed-2.25");
  ASSERT_TRUE(mixed);
  EXPECT_EQ(mixed->allocator, "expert-mixed");
  EXPECT_EQ(mixed->inputs.average_bits, 2.25);
  EXPECT_EQ(mixed->inputs.levels, (std::vector<int>{3, 2}));
}

TEST(ParsePreset, RefusesWhatIsNotAPreset) {
  for (const char* preset :
       {"", "hqq", "3bit", "-3bit", "hqq-bit", "hqq-3", "hqq-3bits", "hqq-3.5bit",
        "hqq-99999999999bit", "milo-s3", "expert-mixed-", "expert-mixed-2.5x", "rtn-7bit"}) {
    const auto refused = parse_preset(preset);
    ASSERT_FALSE(refused) << preset;
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument) << preset;
  }
}

}  // namespace
}  // namespace trine::plan
