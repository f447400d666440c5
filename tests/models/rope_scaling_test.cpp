// Rotary frequencies of every scaling. Expected numbers were worked out apart from the code, from
// the formulas of the papers, for 8 rotated elements, base 10000 and 4096 positions.
#include "models/rope_scaling.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "support/expect_error.h"
#include "support/fp32.h"

namespace trine::models {
namespace {

using base::Json;
using testing_support::expect_error;
using testing_support::kUlp;
using testing_support::sentence;

constexpr std::size_t kRotaryDim = 8, kPositions = 4096;
const std::vector<double> kPlain = {1.0, 0.1, 0.01, 0.001};

Result<RopeSpec> read(const Json& config) {
  return read_rope(base::JsonFields(config, "config.json"), kRotaryDim, 1e4, kPositions);
}

void expect_frequencies(const std::vector<float>& found, const std::vector<double>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    // One rounding to fp32, and the ten digits written here.
    EXPECT_NEAR(found[i], expected[i], (kUlp + 1e-9) * expected[i]) << "pair " << i;
  }
}

struct RopeScalingCase {
  const char* name;
  Json scaling;
  std::vector<double> frequencies;
  double attention_factor = 1.0;
};

std::vector<RopeScalingCase> rope_scaling_cases() {
  const auto yarn = [](const Json& more) {
    Json scaling = {
        {"rope_type", "yarn"}, {"factor", 8.0}, {"original_max_position_embeddings", 512}};
    scaling.update(more);
    return scaling;
  };
  // Pairs turn 81, 8.1, 0.81 and 0.081 times in 512 positions. Full turns 32 and 1 fall on pairs
  // 0.41 and 1.91. The factor on cosines and sines is 0.1 · ln 8 + 1.
  constexpr double kYarnFactor = 1.207944154;
  return {
      {"Default", {{"rope_type", "default"}}, kPlain},
      {"Linear", {{"rope_type", "linear"}, {"factor", 4.0}}, {0.25, 0.025, 0.0025, 0.00025}},
      {"LinearByOldName", {{"type", "linear"}, {"factor", 10}}, {0.1, 0.01, 0.001, 0.0001}},
      {"Yarn", yarn(Json::object()), {1.0, 0.05625, 0.00125, 0.000125}, kYarnFactor},
      {"YarnFactorFromLengths",  // 4096 / 512
       yarn({{"factor", nullptr}}),
       {1.0, 0.05625, 0.00125, 0.000125},
       kYarnFactor},
      {"YarnWithoutTruncation",
       yarn({{"truncate", false}}),
       {1.0, 0.06546507607, 0.00125, 0.000125},
       kYarnFactor},
      {"YarnWithBetas",  // ramp from pair 1 to pair 3
       yarn({{"beta_fast", 4}, {"beta_slow", 0.5}}),
       {1.0, 0.1, 0.005625, 0.000125},
       kYarnFactor},
      {"YarnWithMscales",  // (0.0707 · ln 40 + 1) / (0.1 · ln 40 + 1)
       yarn({{"factor", 40}, {"mscale", 0.707}, {"mscale_all_dim", 1.0}}),
       {1.0, 0.05125, 0.00025, 0.000025},
       0.9210423553},
      {"YarnWithOneMscaleOnly",
       yarn({{"mscale", 0.707}}),
       {1.0, 0.05625, 0.00125, 0.000125},
       kYarnFactor},
      {"YarnWithAttentionFactor",
       yarn({{"attention_factor", 1.5}}),
       {1.0, 0.05625, 0.00125, 0.000125},
       1.5},
      {"Llama3",  // pair 1 lies between 1 and 16 turns
       {{"rope_type", "llama3"},
        {"factor", 8.0},
        {"low_freq_factor", 1.0},
        {"high_freq_factor", 16.0},
        {"original_max_position_embeddings", 512}},
       {1.0, 0.054200943, 0.00125, 0.000125}},
  };
}

class RopeKindTest : public testing::TestWithParam<RopeScalingCase> {};

TEST_P(RopeKindTest, GivesItsFrequenciesInBothSpellings) {
  for (const char* field : {"rope_scaling", "rope_parameters"}) {
    const auto rope = read({{field, GetParam().scaling}});
    ASSERT_TRUE(rope.has_value()) << sentence(rope);
    expect_frequencies(rope->frequencies, GetParam().frequencies);
    EXPECT_NEAR(rope->attention_factor, GetParam().attention_factor, 2 * kUlp + 1e-9);
    EXPECT_EQ(rope->rotary_dim, kRotaryDim);
    EXPECT_EQ(rope->original_positions, 0u);  // the same at every length
    EXPECT_TRUE(rope->long_frequencies.empty());
    EXPECT_EQ(rope->dynamic_theta, 0.0);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, RopeKindTest, testing::ValuesIn(rope_scaling_cases()),
                         [](const auto& tested) { return std::string(tested.param.name); });

TEST(RopeScaling, OfNothingIsPlainWithTheFamilysBase) {
  for (const Json& config : {Json::object(), Json{{"rope_scaling", nullptr}}}) {
    expect_frequencies(read(config)->frequencies, kPlain);
  }
}

TEST(RopeScaling, TakesTheBaseFromWhereverItIs) {
  const std::vector<double> expected = {1.0, 0.03760603093, 0.001414213562, 5.318295897e-05};
  expect_frequencies(read({{"rope_theta", 500000}})->frequencies, expected);
  expect_frequencies(read({{"rope_parameters", {{"rope_theta", 5e5}}}})->frequencies, expected);
  expect_frequencies(
      read({{"rope_theta", 5e5}, {"rope_parameters", {{"rope_theta", 500000}}}})->frequencies,
      expected);
  for (const char* field : {"rope_scaling", "rope_parameters"}) {
    expect_error(read({{"rope_theta", 10000.0}, {field, {{"rope_theta", 20000.0}}}}),
                 ErrorCode::kMalformed, {field, "10000", "20000", "expected one value"});
  }
}

TEST(RopeScaling, OfBothSpellingsMustAgree) {
  const Json linear = {{"rope_type", "linear"}, {"factor", 4.0}};
  const Json yarn = {{"rope_type", "yarn"}, {"factor", 4.0}};
  EXPECT_TRUE(read({{"rope_scaling", linear}, {"rope_parameters", linear}}).has_value());
  expect_error(read({{"rope_scaling", linear}, {"rope_parameters", yarn}}),
               ErrorCode::kMalformed,
               {"rope_scaling", "\"linear\"", "rope_parameters", "\"yarn\""});
}

TEST(RopeScaling, KeepsWhatDynamicScalingNeeds) {
  const auto rope = read({{"rope_scaling", {{"type", "dynamic"}, {"factor", 2.0}}},
                          {"original_max_position_embeddings", 512}});
  ASSERT_TRUE(rope.has_value()) << sentence(rope);
  expect_frequencies(rope->frequencies, kPlain);  // up to the trained length
  EXPECT_EQ(rope->original_positions, kPositions);
  EXPECT_EQ(rope->dynamic_theta, 1e4);
  EXPECT_EQ(rope->dynamic_factor, 2.0);
}

Json longrope(const Json& more = Json::object()) {
  Json scaling = {{"rope_type", "longrope"},
                  {"short_factor", {1.0, 1.5, 2.0, 4.0}},
                  {"long_factor", {2, 4, 8, 16}},
                  {"original_max_position_embeddings", 512}};
  scaling.update(more);
  return {{"rope_scaling", scaling}};
}

TEST(RopeScaling, LongropeHasTwoSetsOfFrequencies) {
  for (const char* kind : {"longrope", "su"}) {
    const auto rope = read(longrope({{"rope_type", kind}}));
    ASSERT_TRUE(rope.has_value()) << sentence(rope);
    expect_frequencies(rope->frequencies, {1.0, 0.1 / 1.5, 0.005, 0.00025});
    expect_frequencies(rope->long_frequencies, {0.5, 0.025, 0.00125, 0.0000625});
    EXPECT_EQ(rope->original_positions, 512u);
    const double factor =
        std::sqrt(1.0 + 3.0 / 9.0);  // ln(4096 / 512) / ln 512 in powers of two
    EXPECT_NEAR(rope->attention_factor, factor, 2 * kUlp);
    EXPECT_NEAR(rope->long_attention_factor, factor, 2 * kUlp);
  }
  const auto phi = read(longrope({{"short_mscale", 1.25}, {"long_mscale", 1.75}}));
  EXPECT_EQ(phi->attention_factor, 1.25f);
  EXPECT_EQ(phi->long_attention_factor, 1.75f);
  EXPECT_EQ(read(longrope({{"attention_factor", 1.5}}))->long_attention_factor, 1.5f);
}

TEST(RopeScaling, PrefersTheOriginalLengthBesideTheScaling) {
  Json config = longrope();
  config["original_max_position_embeddings"] = 256;
  EXPECT_EQ(read(config)->original_positions, 256u);
}

TEST(RopeScaling, ListsTheKnownKindsForAnUnknownOne) {
  expect_error(read({{"rope_scaling", {{"rope_type", "mrope"}}}}), ErrorCode::kUnsupported,
               {"config.json", "rope_scaling", "\"mrope\"", "default", "linear", "dynamic",
                "yarn", "longrope", "llama3"});
}

TEST(RopeScaling, NamesWhatIsWrong) {
  const Json numbers = {1.0, 1.0, 1.0};
  const struct {
    Json config;
    std::vector<const char*> words;
  } refused[] = {
      {longrope({{"short_factor", numbers}}), {"short_factor", "4 numbers"}},
      {longrope({{"long_factor", nullptr}}), {"long_factor", "4 numbers"}},
      {longrope({{"long_factor", "1234"}}), {"long_factor", "4 numbers"}},
      {longrope({{"long_factor", {1, 1, 0, 1}}}), {"long_factor[2]", "0", "above 0"}},
      {longrope({{"short_factor", {1, "a", 1, 1}}}), {"short_factor[1]", "\"a\"", "above 0"}},
      {{{"rope_scaling", {{"type", "linear"}}}}, {"factor", "missing"}},
      {{{"rope_scaling", {{"type", "dynamic"}, {"factor", 0.5}}}}, {"factor", "0.5"}},
      {{{"rope_scaling", {{"type", "yarn"}, {"factor", "8"}}}}, {"factor", "\"8\""}},
      {{{"rope_scaling",
         {{"type", "llama3"}, {"factor", 8}, {"low_freq_factor", 4}, {"high_freq_factor", 4}}}},
       {"high_freq_factor", "low_freq_factor"}},
      {{{"rope_scaling", {{"rope_type", 3}}}}, {"rope_type", "3"}},
      {{{"rope_theta", -1}}, {"rope_theta", "-1"}},
      {{{"rope_theta", 1.0}, {"rope_scaling", {{"type", "yarn"}, {"factor", 8}}}},
       {"rope_theta is 1", "YaRN needs one above 1"}},
      {longrope({{"original_max_position_embeddings", 1}}),
       {"original_max_position_embeddings is 1", "at least 2"}},
  };
  for (const auto& tested : refused) {
    for (const char* word : tested.words) {
      expect_error(read(tested.config), ErrorCode::kMalformed, {"config.json", word});
    }
  }
}

TEST(LatentScale, IsTheSquareOfTheMscaleOfAllDimensions) {
  const auto scale = [](const Json& config) {
    return read_latent_scale(base::JsonFields(config, "config.json")).value();
  };
  const Json yarn = {{"type", "yarn"}, {"factor", 40}, {"mscale_all_dim", 0.707}};
  EXPECT_NEAR(scale({{"rope_scaling", yarn}}), 1.5896261652, 1e-9);
  EXPECT_EQ(scale({{"rope_scaling", {{"type", "yarn"}, {"factor", 40}}}}), 1.0);
  EXPECT_EQ(scale(Json::object()), 1.0);
}

}  // namespace
}  // namespace trine::models
