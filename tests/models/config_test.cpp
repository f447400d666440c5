// config.json → ModelSpec, in the spellings of the wild.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "models/family.h"
#include "support/expect_error.h"
#include "support/tiny_checkpoint.h"

namespace trine::models {
namespace {

using base::Json;
using testing_support::expect_error;
using testing_support::sentence;
using testing_support::tiny_config;

Result<ModelSpec> parse(const Json& config) {
  return parse_model_config(base::JsonFields(config, "dir/config.json"));
}

/// The tiny config with one field replaced.
Json with(const char* field, Json value) {
  Json config = tiny_config();
  config[field] = std::move(value);
  return config;
}

Json without(const char* field) {
  Json config = tiny_config();
  config.erase(field);
  return config;
}

/// The base of the frequencies `config` asks for; heads of 8 have more than one of them.
double theta_of(Json config) {
  config["head_dim"] = 8;
  const auto spec = parse(config);
  if (!spec.has_value()) return 0.0;
  for (const double theta : {1e4, 5e5, 1e6}) {
    std::vector<float> expected;
    for (const double exponent : {0.0, 0.25, 0.5, 0.75}) {
      expected.push_back(static_cast<float>(std::pow(theta, -exponent)));
    }
    if (spec->rope.frequencies == expected) return theta;
  }
  return 0.0;
}

TEST(MixtralConfig, GivesShapesAndNames) {
  const auto spec = parse(tiny_config());
  ASSERT_TRUE(spec.has_value()) << sentence(spec);
  EXPECT_EQ(spec->family, "mixtral");
  EXPECT_EQ(spec->head_dim, 2u);                                // 8 / 4
  EXPECT_EQ(spec->rope.frequencies, std::vector<float>{1.0f});  // heads of 2: one pair
  EXPECT_EQ(spec->norm_eps, 1e-5);
  ASSERT_EQ(spec->layers.size(), 2u);
  const LayerSpec& layer = spec->layers[1];
  EXPECT_EQ(layer.input_norm.weight.name, "model.layers.1.input_layernorm.weight");
  EXPECT_EQ(layer.attention.k_proj.name, "model.layers.1.self_attn.k_proj.weight");
  EXPECT_EQ(layer.attention.k_proj.out_features, 4u);  // 2 heads of 2
  EXPECT_EQ(layer.attention.o_proj.in_features, 8u);
  EXPECT_FALSE(layer.attention.sliding_window.has_value());
  EXPECT_FALSE(layer.dense.has_value());
  ASSERT_TRUE(layer.moe.has_value());
  EXPECT_EQ(layer.moe->router.experts_per_token, 1u);
  EXPECT_EQ(layer.moe->router.matrix.out_features, 2u);
  EXPECT_TRUE(layer.moe->router.renormalises);
  ASSERT_EQ(layer.moe->experts.size(), 2u);
  const ExpertSpec& expert = layer.moe->experts[1];
  EXPECT_EQ(expert.gate_proj.name, "model.layers.1.block_sparse_moe.experts.1.w1.weight");
  EXPECT_EQ(expert.up_proj.name, "model.layers.1.block_sparse_moe.experts.1.w3.weight");
  EXPECT_EQ(expert.down_proj.name, "model.layers.1.block_sparse_moe.experts.1.w2.weight");
  EXPECT_EQ(expert.down_proj.out_features, 8u);
  EXPECT_EQ(expert.down_proj.in_features, 16u);
}

TEST(MixtralConfig, CountsEveryMatrixOnce) {
  const auto spec = parse(tiny_config());
  ASSERT_TRUE(spec.has_value());
  EXPECT_EQ(compressible_matrices(*spec).size(), 2u * (4 + 2 * 3));
  EXPECT_EQ(all_matrices(*spec).size(), 2u * (4 + 2 * 3 + 1) + 2);
  EXPECT_EQ(all_vectors(*spec).size(), 2u * 2 + 1);
  const auto tied = parse(with("tie_word_embeddings", true));
  ASSERT_TRUE(tied.has_value());
  EXPECT_EQ(tied->lm_head.name, "model.embed_tokens.weight");
  EXPECT_EQ(all_matrices(*tied).size(), 2u * (4 + 2 * 3 + 1) + 1);
}

TEST(MixtralConfig, FillsWhatTheConfigLeavesOut) {
  Json config = tiny_config();
  for (const char* field : {"rms_norm_eps", "rope_theta", "hidden_act",
                            "max_position_embeddings", "num_key_value_heads"}) {
    config.erase(field);
  }
  const auto spec = parse(config);
  ASSERT_TRUE(spec.has_value()) << sentence(spec);
  EXPECT_EQ(spec->norm_eps, 1e-5);
  EXPECT_EQ(theta_of(config), 1e6);
  EXPECT_EQ(spec->max_position_embeddings, 131072u);
}

TEST(MixtralConfig, TakesAWrittenHeadDimAndWindow) {
  Json config = with("head_dim", 6);
  config["sliding_window"] = 4096;
  const auto spec = parse(config);
  ASSERT_TRUE(spec.has_value()) << sentence(spec);
  EXPECT_EQ(spec->head_dim, 6u);
  EXPECT_EQ(spec->layers[0].attention.q_proj.out_features, 24u);
  for (const LayerSpec& layer : spec->layers) {
    EXPECT_EQ(layer.attention.sliding_window, 4096u);
  }
  const auto full = parse(with("sliding_window", nullptr));
  ASSERT_TRUE(full.has_value()) << sentence(full);
  for (const LayerSpec& layer : full->layers) {
    EXPECT_FALSE(layer.attention.sliding_window.has_value());
  }
}

TEST(RopeTheta, IsReadFromTheNewSpelling) {
  Json config = without("rope_theta");
  config["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", 500000.0}};
  const auto spec = parse(config);
  ASSERT_TRUE(spec.has_value()) << sentence(spec);
  EXPECT_EQ(theta_of(config), 500000.0);
}

TEST(RopeTheta, MayBeWrittenBothWaysWhenTheyAgree) {
  Json config = with("rope_parameters", {{"rope_theta", 10000}});
  EXPECT_EQ(theta_of(config), 10000.0);
  config["rope_parameters"]["rope_theta"] = 10001;
  expect_error(parse(config), ErrorCode::kMalformed,
               {"dir/config.json", "10000", "10001", "expected one value"});
}

TEST(RopeTheta, KeepsTheOldSpellingWhenTheNewOneNamesNone) {
  EXPECT_EQ(theta_of(with("rope_parameters", {{"rope_type", "default"}})), 10000.0);
}

TEST(RopeTheta, AcceptsOnlyKnownScalings) {
  EXPECT_TRUE(parse(with("rope_scaling", nullptr)).has_value());
  EXPECT_TRUE(parse(with("rope_scaling", {{"type", "default"}})).has_value());
  expect_error(parse(with("rope_scaling", {{"type", "mrope"}, {"factor", 2.0}})),
               ErrorCode::kUnsupported, {"rope_scaling", "\"mrope\""});
  expect_error(parse(with("rope_parameters", {{"rope_type", "proportional"}})),
               ErrorCode::kUnsupported, {"rope_parameters", "\"proportional\""});
  expect_error(parse(with("rope_scaling", "linear")), ErrorCode::kMalformed, {"an object"});
}

TEST(MixtralConfig, NamesEachMissingField) {
  for (const char* field :
       {"model_type", "hidden_size", "intermediate_size", "num_hidden_layers",
        "num_attention_heads", "num_local_experts", "num_experts_per_tok", "vocab_size"}) {
    expect_error(parse(without(field)), ErrorCode::kMalformed,
                 {"dir/config.json", field, "is missing"});
  }
}

TEST(MixtralConfig, RefusesShapesThatDoNotFit) {
  expect_error(parse(with("head_dim", 3)), ErrorCode::kMalformed, {"head_dim 3 is odd"});
  expect_error(parse(with("num_key_value_heads", 3)), ErrorCode::kMalformed,
               {"num_attention_heads 4", "num_key_value_heads 3"});
  expect_error(parse(with("num_key_value_heads", 8)), ErrorCode::kMalformed,
               {"num_key_value_heads", "from 1 to 4"});
  expect_error(parse(with("hidden_size", 10)), ErrorCode::kMalformed,
               {"hidden_size 10", "num_attention_heads 4"});
  expect_error(parse(with("num_experts_per_tok", 3)), ErrorCode::kMalformed,
               {"num_experts_per_tok", "is 3", "from 1 to 2"});
}

TEST(MixtralConfig, RefusesValuesOutOfRange) {
  for (const char* field :
       {"hidden_size", "intermediate_size", "num_hidden_layers", "vocab_size",
        "num_local_experts", "num_experts_per_tok", "num_attention_heads",
        "num_key_value_heads", "max_position_embeddings"}) {
    for (const Json& value : {Json(0), Json(-1), Json(INT64_MAX), Json(2.5), Json("8")}) {
      expect_error(parse(with(field, value)), ErrorCode::kMalformed, {field, "whole number"});
    }
  }
  expect_error(parse(with("rope_theta", 0.0)), ErrorCode::kMalformed, {"rope_theta"});
  expect_error(parse(with("rms_norm_eps", -1e-5)), ErrorCode::kMalformed, {"rms_norm_eps"});
}

TEST(MixtralConfig, BoundsTheExpertsOfAllLayers) {
  Json config = with("num_hidden_layers", 1024);
  config["num_local_experts"] = 4096;
  expect_error(parse(config), ErrorCode::kMalformed,
               {"num_hidden_layers 1024", "num_local_experts 4096", "at most 262144"});
}

TEST(MixtralConfig, RefusesAnotherActivation) {
  expect_error(parse(with("hidden_act", "gelu")), ErrorCode::kUnsupported,
               {"hidden_act", "\"gelu\"", "\"silu\""});
}

TEST(Families, ListsTheKnownOnesForAnUnknownModelType) {
  expect_error(parse(with("model_type", "bert")), ErrorCode::kUnsupported,
               {"dir/config.json", "\"bert\"", "mixtral"});
  for (const Family& family : families()) {
    const auto error = parse(with("model_type", "bert"));
    EXPECT_NE(error.error().message.find(family.model_type), std::string::npos);
  }
}

}  // namespace
}  // namespace trine::models
