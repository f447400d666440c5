#include "compress/recipe.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"

namespace trine::compress {
namespace {

TEST(ParsePreset, ReadsQuantizerAndBits) {
  const auto plan = parse_preset("hqq-5bit", 32);
  ASSERT_TRUE(plan);
  EXPECT_EQ(*plan, (MatrixPlan{.quantizer = "hqq", .bits = 5, .group_size = 32}));
  EXPECT_EQ(plan->rank, 0u);
}

TEST(ParsePreset, RefusesWhatIsNotAPreset) {
  for (const char* preset : {"", "hqq", "3bit", "hqq-bit", "hqq-3", "hqq-3bits", "hqq-3.5bit",
                             "hqq--3bit", "hqq-99999999999bit"}) {
    EXPECT_FALSE(parse_preset(preset, 64)) << preset;
  }
  const auto unknown = parse_preset("awq-3bit", 64);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::kUnsupported);
  const auto width = parse_preset("rtn-7bit", 64);
  ASSERT_FALSE(width);
  EXPECT_EQ(width.error().code, ErrorCode::kInvalidArgument);
  EXPECT_FALSE(parse_preset("rtn-3bit", 100));
}

}  // namespace
}  // namespace trine::compress
