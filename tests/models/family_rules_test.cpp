// What only some families have, and what they refuse.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/expect_error.h"
#include "support/minimal_configs.h"

namespace trine::models {
namespace {

using base::Json;
using testing_support::expect_error;
using testing_support::minimal;
using testing_support::parse_config;
using testing_support::with;

TEST(DeepseekV2, TakesItsLatentFromTheClass) {
  const auto spec = parse_config(minimal("deepseek_v2")).value();
  const AttentionSpec& attention = spec.layers[0].attention;
  ASSERT_TRUE(attention.latent.has_value());
  EXPECT_EQ(attention.latent->q_a_proj.out_features, 1536u);
  EXPECT_EQ(attention.latent->kv_a_proj.out_features, 512u + 64);
  EXPECT_EQ(attention.latent->kv_b_proj.out_features, 64u * (128 + 128));
  EXPECT_EQ(attention.latent->kv_a_norm.eps, 1e-6);
  EXPECT_TRUE(spec.rope.is_interleaved);
  EXPECT_EQ(spec.layers[0].moe->experts[0].gate_proj.out_features, 1407u);
  EXPECT_EQ(spec.layers[0].moe->shared_expert->gate_proj.out_features, 2u * 1407);
  const auto lite =
      parse_config(with(minimal("deepseek_v2"), {{"q_lora_rank", nullptr}})).value();
  EXPECT_FALSE(lite.layers[0].attention.latent->q_a_proj.exists());
  EXPECT_EQ(lite.layers[0].attention.q_proj.in_features, 256u);
}

TEST(DeepseekV3, TakesItsRouterFromTheClass) {
  const auto spec = parse_config(minimal("deepseek_v3")).value();
  const RouterSpec& router = spec.layers[3].moe->router;
  EXPECT_EQ(router.rule, RoutingRule::kSigmoidBiased);
  EXPECT_EQ(router.num_groups, 8u);
  EXPECT_EQ(router.groups_per_token, 4u);
  EXPECT_EQ(router.group_score, GroupScore::kTopTwoSum);
  EXPECT_EQ(router.scaling_factor, 2.5);
  EXPECT_EQ(router.selection_bias.size, 256u);
  EXPECT_EQ(spec.layers[3].moe->shared_expert->gate_proj.out_features, 2048u);
}

TEST(GptOss, HasSinksWindowsAndYarnByDefault) {
  const auto spec = parse_config(minimal("gpt_oss")).value();
  for (std::size_t index = 0; index < 4; ++index) {
    const AttentionSpec& attention = spec.layers[index].attention;
    EXPECT_EQ(attention.sinks.size, 64u);
    EXPECT_EQ(attention.sliding_window.value_or(0), index % 2 == 0 ? 128u : 0u);
  }
  EXPECT_EQ(spec.activation_limit, 7.0);
  EXPECT_NEAR(spec.rope.attention_factor, 0.1 * std::log(32.0) + 1.0, 0x1p-23);
  EXPECT_FLOAT_EQ(spec.rope.frequencies.back(),
                  static_cast<float>(std::pow(1.5e5, -62.0 / 64.0) / 32.0));
}

TEST(Qwen, SlidesOnlyWhenAsked) {
  const auto windows = [](const char* type, const Json& more) {
    std::vector<std::size_t> found;
    const auto spec = parse_config(with(minimal(type), more)).value();
    for (const LayerSpec& layer : spec.layers) {
      found.push_back(layer.attention.sliding_window.value_or(0));
    }
    return found;
  };
  const std::vector<std::size_t> none(4), all(4, 4096), last = {0, 0, 0, 4096};
  const Json types = {"full_attention", "full_attention", "full_attention",
                      "sliding_attention"};
  for (const char* type : {"qwen2", "qwen3", "qwen2_moe", "qwen3_moe"}) {
    EXPECT_EQ(windows(type, {{"sliding_window", 4096}}), none) << type;
    EXPECT_EQ(windows(type, {{"sliding_window", 4096}, {"layer_types", types}}), none) << type;
    EXPECT_EQ(windows(type, {{"use_sliding_window", true}, {"layer_types", types}}), last)
        << type;
  }
  for (const char* type : {"qwen2", "qwen3"}) {
    EXPECT_EQ(windows(type, {{"use_sliding_window", true}, {"max_window_layers", 3}}), last);
    EXPECT_EQ(windows(type, {{"use_sliding_window", true}}), none);  // from layer 28 on
  }
  EXPECT_EQ(windows("qwen3_moe", {{"use_sliding_window", true}}), all);
}

TEST(Qwen3Moe, MayCallItsExpertsLocal) {
  EXPECT_EQ(parse_config(with(minimal("qwen3_moe"), {{"num_local_experts", 16}}))
                ->layers[0]
                .moe->experts.size(),
            16u);
}

TEST(Families, RefuseWhatTheyCannotRun) {
  const struct {
    const char* model_type;
    Json more;
    ErrorCode code;
    std::vector<const char*> words;
  } refused[] = {
      {"deepseek_v3",
       {{"n_group", 7}},
       ErrorCode::kMalformed,
       {"256", "7 groups", "impossible"}},
      {"deepseek_v3", {{"topk_group", 9}}, ErrorCode::kMalformed, {"9 of them", "impossible"}},
      {"deepseek_v2",
       {{"topk_method", "group_limited_greedy"}, {"n_group", 8}, {"topk_group", 1}},
       ErrorCode::kMalformed,
       {"8 groups", "impossible"}},
      {"deepseek_v2",
       {{"topk_method", "noaux_tc"}},
       ErrorCode::kUnsupported,
       {"topk_method", "\"noaux_tc\"", "greedy"}},
      {"deepseek_v2", {{"qk_rope_head_dim", 3}}, ErrorCode::kMalformed, {"qk_rope_head_dim"}},
      {"phimoe",
       {{"num_experts_per_tok", 1}},
       ErrorCode::kUnsupported,
       {"num_experts_per_tok"}},
      {"qwen2_moe",
       {{"use_sliding_window", true}},
       ErrorCode::kUnsupported,
       {"use_sliding_window", "layer_types"}},
      {"qwen3",
       {{"layer_types", {"full_attention"}}, {"use_sliding_window", true}},
       ErrorCode::kMalformed,
       {"layer_types", "4 entries"}},
      {"gpt_oss",
       {{"layer_types", {"chunked", "chunked", "chunked", "chunked"}}},
       ErrorCode::kUnsupported,
       {"layer_types[0]", "chunked"}},
      {"qwen2_moe", {{"mlp_only_layers", {-1}}}, ErrorCode::kMalformed, {"mlp_only_layers"}},
      {"olmoe", {{"num_experts_per_tok", 65}}, ErrorCode::kMalformed, {"num_experts_per_tok"}},
      {"llama", {{"hidden_act", "gelu"}}, ErrorCode::kUnsupported, {"hidden_act", "\"gelu\""}},
  };
  for (const auto& row : refused) {
    const auto result = parse_config(with(minimal(row.model_type), row.more));
    for (const char* word : row.words) expect_error(result, row.code, {"config.json", word});
  }
}

}  // namespace
}  // namespace trine::models
