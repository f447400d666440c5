// Every row of the registry: its smallest config and what an absent field means.
#include "models/family.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "support/expect_error.h"
#include "support/minimal_configs.h"

namespace trine::models {
namespace {

using testing_support::expect_error;
using testing_support::minimal;
using testing_support::parse_config;
using testing_support::sentence;
using testing_support::with;

/// What a class means by absent fields. Experts 0: dense.
struct Defaults {
  const char* model_type;
  double theta, eps;
  std::size_t key_value_heads, head_dim, positions, experts, per_token;
  bool renormalises;
  std::size_t first_sparse;  ///< layers before it are dense
};

constexpr std::size_t kDense = 0;
const Defaults kDefaults[] = {
    {"llama", 1e4, 1e-6, 64, 4, 2048, kDense, 0, false, 4},
    {"qwen2", 1e4, 1e-6, 32, 4, 32768, kDense, 0, false, 4},
    {"qwen3", 1e4, 1e-6, 32, 128, 32768, kDense, 0, false, 4},
    {"mixtral", 1e6, 1e-5, 8, 4, 131072, 4, 2, true, 0},
    {"qwen2_moe", 1e4, 1e-6, 16, 4, 32768, 60, 4, false, 0},
    {"qwen3_moe", 1e4, 1e-6, 4, 4, 32768, 128, 8, false, 0},
    {"olmoe", 1e4, 1e-5, 64, 4, 4096, 64, 8, false, 0},
    {"granitemoe", 1e4, 1e-6, 64, 4, 2048, 8, 2, false, 0},
    {"deepseek", 1e4, 1e-6, 32, 4, 2048, 8, 2, false, 0},
    {"deepseek_v2", 1e4, 1e-6, 64, 192, 2048, 8, 2, false, 0},
    {"deepseek_v3", 1e4, 1e-6, 64, 192, 4096, 256, 8, true, 3},
    {"phimoe", 1e6, 1e-5, 8, 4, 131072, 16, 2, false, 0},
    {"gpt_oss", 1.5e5, 1e-5, 8, 64, 131072, 128, 4, false, 0},
};

/// Encoder–decoder families name other things; what they mean by absent fields is in tests of their
/// own. tests/parity/golden_test.cpp makes sure that every family is proven.
TEST(Families, AreListedHereWhenTheyOnlyDecode) {
  std::set<std::string_view> known, listed;
  for (const Family& family : families()) {
    const auto spec = parse_config(minimal(family.model_type));
    ASSERT_TRUE(spec.has_value()) << family.model_type << ": " << sentence(spec);
    if (!spec->encoder) known.insert(family.model_type);
  }
  for (const Defaults& row : kDefaults) listed.insert(row.model_type);
  EXPECT_EQ(listed, known);
}

class DefaultsTest : public testing::TestWithParam<Defaults> {};

TEST_P(DefaultsTest, AreThoseOfTheClass) {
  const Defaults& row = GetParam();
  const auto spec = parse_config(minimal(row.model_type));
  ASSERT_TRUE(spec.has_value()) << sentence(spec);
  EXPECT_EQ(spec->family, row.model_type);
  EXPECT_EQ(spec->norm_eps, row.eps);
  EXPECT_EQ(spec->num_key_value_heads, row.key_value_heads);
  EXPECT_EQ(spec->head_dim, row.head_dim);
  EXPECT_EQ(spec->max_position_embeddings, row.positions);
  EXPECT_EQ(spec->lm_head.name, "lm_head.weight");  // not tied
  const auto dim = static_cast<double>(spec->rope.rotary_dim);
  if (spec->family != "gpt_oss") {  // whose absent scaling is YaRN
    EXPECT_EQ(spec->rope.frequencies.at(1),
              static_cast<float>(std::pow(row.theta, -2.0 / dim)));
  }
  ASSERT_EQ(spec->layers.size(), 4u);
  for (std::size_t index = 0; index < 4; ++index) {
    const LayerSpec& layer = spec->layers[index];
    const bool is_sparse = row.experts != kDense && index >= row.first_sparse;
    EXPECT_EQ(layer.moe.has_value(), is_sparse) << index;
    EXPECT_EQ(layer.dense.has_value(), !is_sparse) << index;
    if (!layer.moe) continue;
    EXPECT_EQ(layer.moe->experts.size(), row.experts);
    EXPECT_EQ(layer.moe->router.experts_per_token, row.per_token);
    EXPECT_EQ(layer.moe->router.renormalises, row.renormalises);
  }
}

TEST_P(DefaultsTest, TieOnlyWhenAsked) {
  const auto spec =
      parse_config(with(minimal(GetParam().model_type), {{"tie_word_embeddings", true}}));
  ASSERT_TRUE(spec.has_value()) << sentence(spec);
  EXPECT_EQ(spec->lm_head.name, spec->embed_tokens.name);
}

TEST_P(DefaultsTest, NullKeyValueHeadsAreAsManyAsQueryHeads) {
  const auto spec =
      parse_config(with(minimal(GetParam().model_type), {{"num_key_value_heads", nullptr}}));
  ASSERT_TRUE(spec.has_value()) << sentence(spec);
  EXPECT_EQ(spec->num_key_value_heads, 64u);
}

INSTANTIATE_TEST_SUITE_P(EveryFamily, DefaultsTest, testing::ValuesIn(kDefaults),
                         [](const auto& tested) {
                           return std::string(tested.param.model_type);
                         });

TEST(Families, GiveEveryTensorANameOfItsOwn) {
  for (const Family& family : families()) {
    const auto spec = parse_config(minimal(family.model_type)).value();
    std::set<std::string> names;
    for (const MatrixSpec* matrix : all_matrices(spec)) {
      EXPECT_TRUE(names.insert(matrix->name).second) << matrix->name;
    }
    for (const VectorSpec* vector : all_vectors(spec)) {
      EXPECT_TRUE(names.insert(vector->name).second) << vector->name;
      EXPECT_GT(vector->size, 0u) << vector->name;
    }
  }
}

/// Names of the biases of layer `index`'s attention, shortened: "q", "k", "v", "o".
std::string attention_biases(const ModelSpec& spec) {
  const AttentionSpec& attention = spec.layers.front().attention;
  std::string found;
  if (attention.q_proj.bias.exists()) found += "q";
  if (attention.k_proj.bias.exists()) found += "k";
  if (attention.v_proj.bias.exists()) found += "v";
  if (attention.o_proj.bias.exists()) found += "o";
  return found;
}

TEST(Families, PutBiasesWhereTheirClassesDo) {
  const std::map<std::string_view, std::string> absent = {
      {"qwen2", "qkv"}, {"qwen2_moe", "qkv"}, {"gpt_oss", "qkvo"}};
  for (const Family& family : families()) {
    const auto expected = absent.find(family.model_type);
    EXPECT_EQ(attention_biases(parse_config(minimal(family.model_type)).value()),
              expected == absent.end() ? "" : expected->second)
        << family.model_type;
  }
  for (const char* type :
       {"llama", "qwen3", "qwen3_moe", "olmoe", "granitemoe", "deepseek", "phimoe"}) {
    const auto spec = parse_config(with(minimal(type), {{"attention_bias", true}})).value();
    EXPECT_EQ(attention_biases(spec), "qkvo") << type;
  }
  EXPECT_EQ(
      attention_biases(parse_config(with(minimal("qwen2_moe"), {{"qkv_bias", false}})).value()),
      "");
}

TEST(ExpertCounts, RefuseAnAbsentNumberPerTokenThatIsMoreThanThereAre) {
  base::Json config = minimal("olmoe");  // 8 experts per token unless the file says otherwise
  config["num_experts"] = 4;
  expect_error(parse_config(config), ErrorCode::kMalformed,
               {"config.json: 8 experts per token of 4 experts"});
  config["num_experts_per_tok"] = 4;
  EXPECT_TRUE(parse_config(config).has_value());
}

}  // namespace
}  // namespace trine::models
