// What a Switch config means, and what it may not say.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/expect_error.h"
#include "support/minimal_configs.h"

namespace trine::models {
namespace {

using base::Json;
using testing_support::expect_error;
using testing_support::parse_config;
using testing_support::sentence;
using testing_support::with;

Json smallest() { return {{"model_type", "switch_transformers"}, {"vocab_size", 100}}; }

/// Which layers have experts.
std::vector<bool> sparse_layers(const std::vector<LayerSpec>& layers) {
  std::vector<bool> sparse;
  for (const LayerSpec& layer : layers) sparse.push_back(layer.moe.has_value());
  return sparse;
}

TEST(Switch, TakesTheRestFromTheClass) {
  const auto spec = parse_config(smallest());
  ASSERT_TRUE(spec.has_value()) << sentence(spec);
  EXPECT_EQ(spec->hidden_size, 768u);
  EXPECT_EQ(spec->num_attention_heads, 12u);
  EXPECT_EQ(spec->head_dim, 64u);
  EXPECT_EQ(spec->norm_eps, 1e-6);
  EXPECT_EQ(spec->activation, Activation::kRelu);
  EXPECT_TRUE(spec->rope.frequencies.empty());
  EXPECT_EQ(spec->relative_bias->num_buckets, 32u);
  EXPECT_EQ(spec->relative_bias->max_distance, 128u);
  EXPECT_EQ(spec->lm_head.name, "shared.weight");
  EXPECT_EQ(spec->logits_divisor, std::sqrt(768.0));
  ASSERT_TRUE(spec->encoder.has_value());
  EXPECT_EQ(spec->encoder->decoder_start_token, 0);
  ASSERT_EQ(spec->encoder->layers.size(), 12u);
  ASSERT_EQ(spec->layers.size(), 12u);
  EXPECT_EQ(spec->layers[1].moe->experts.size(), 8u);
  EXPECT_EQ(spec->layers[1].moe->router.experts_per_token, 1u);
  EXPECT_FALSE(spec->layers[1].moe->router.renormalises);
  EXPECT_EQ(spec->layers[0].dense->up_proj.out_features, 2048u);
}

TEST(Switch, NumbersItsSublayers) {
  const auto spec = parse_config(smallest()).value();
  const LayerSpec& encoder = spec.encoder->layers[1];
  EXPECT_EQ(encoder.attention.o_proj.name, "encoder.block.1.layer.0.SelfAttention.o.weight");
  EXPECT_FALSE(encoder.cross_attention.has_value());
  EXPECT_EQ(encoder.post_attention_norm.weight.name,
            "encoder.block.1.layer.1.layer_norm.weight");
  EXPECT_EQ(encoder.moe->router.matrix.name,
            "encoder.block.1.layer.1.mlp.router.classifier.weight");
  const LayerSpec& decoder = spec.layers[1];
  EXPECT_EQ(decoder.cross_attention->k_proj.name,
            "decoder.block.1.layer.1.EncDecAttention.k.weight");
  EXPECT_EQ(decoder.cross_attention->norm.weight.name,
            "decoder.block.1.layer.1.layer_norm.weight");
  EXPECT_EQ(decoder.moe->experts[7].down_proj.name,
            "decoder.block.1.layer.2.mlp.experts.expert_7.wo.weight");
  EXPECT_FALSE(decoder.moe->experts[7].gate_proj.exists());
  EXPECT_EQ(spec.layers[0].dense->up_proj.name, "decoder.block.0.layer.2.mlp.wi.weight");
  EXPECT_EQ(spec.encoder->relative_bias->table.name,
            "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight");
}

TEST(Switch, SpreadsItsSparseLayers) {
  const auto spec = parse_config(with(smallest(), {{"num_layers", 5},
                                                   {"num_decoder_layers", 4},
                                                   {"num_sparse_encoder_layers", 2},
                                                   {"num_sparse_decoder_layers", 4}}))
                        .value();
  EXPECT_EQ(sparse_layers(spec.encoder->layers),
            (std::vector{false, true, false, true, false}));
  EXPECT_EQ(sparse_layers(spec.layers), (std::vector{true, true, true, true}));
  const auto none = parse_config(with(smallest(), {{"num_layers", 2},
                                                   {"num_decoder_layers", nullptr},
                                                   {"num_sparse_decoder_layers", 0}}))
                        .value();
  // The default of 3 finds no place in 2 layers; null is as many layers as in the encoder.
  EXPECT_EQ(sparse_layers(none.encoder->layers), (std::vector{false, false}));
  EXPECT_EQ(sparse_layers(none.layers), (std::vector{false, false}));
}

TEST(Switch, MayHaveAHeadOfItsOwnAndRouterBiases) {
  const auto spec = parse_config(with(smallest(), {{"tie_word_embeddings", false},
                                                   {"router_bias", true},
                                                   {"decoder_start_token_id", 7}}))
                        .value();
  EXPECT_EQ(spec.lm_head.name, "lm_head.weight");
  EXPECT_EQ(spec.logits_divisor, 1.0);
  EXPECT_EQ(spec.encoder->decoder_start_token, 7);
  EXPECT_EQ(spec.layers[1].moe->router.matrix.bias.name,
            "decoder.block.1.layer.2.mlp.router.classifier.bias");
}

TEST(Switch, RefusesWhatMakesNoSense) {
  const auto refused = [](const Json& more, std::initializer_list<std::string_view> words) {
    const auto result = parse_config(with(smallest(), more));
    expect_error(result, ErrorCode::kMalformed, {"config.json"});
    expect_error(result, ErrorCode::kMalformed, words);
  };
  refused({{"vocab_size", nullptr}}, {"vocab_size", "missing"});
  for (const char* field : {"num_heads", "d_kv", "d_model", "d_ff", "num_layers",
                            "num_decoder_layers", "num_experts"}) {
    refused({{field, 0}}, {field, "is 0"});
    refused({{field, "12"}}, {field});
    refused({{field, std::int64_t{1} << 40}}, {field});
  }
  // 2048 layers of 4096 experts would be 8 million.
  refused({{"num_layers", 1024}, {"num_decoder_layers", 1024}, {"num_experts", 4096}},
          {"num_experts", "4096", "128"});
  refused({{"num_sparse_encoder_layers", 13}}, {"num_sparse_encoder_layers", "13", "12"});
  refused({{"num_sparse_decoder_layers", -1}}, {"num_sparse_decoder_layers", "-1"});
  for (const int buckets : {0, 1, 2, 3, 1 << 20}) {
    refused({{"relative_attention_num_buckets", buckets}}, {"relative_attention_num_buckets"});
  }
  refused({{"relative_attention_num_buckets", 33}}, {"33 is odd"});
  // Of 32 buckets 16 hold one distance each: there must be some left for the others.
  refused({{"relative_attention_max_distance", 16}},
          {"relative_attention_max_distance", "16", "17"});
  EXPECT_TRUE(parse_config(with(smallest(), {{"relative_attention_max_distance", 17}})));
  refused({{"relative_attention_max_distance", std::int64_t{1} << 40}},
          {"relative_attention_max_distance"});
  refused({{"decoder_start_token_id", 100}}, {"decoder_start_token_id", "100", "99"});
}

TEST(Switch, NamesTheFeedForwardsItDoesNotHave) {
  const struct {
    Json more;
    std::vector<std::string_view> words;
  } rows[] = {{{{"feed_forward_proj", "gated-gelu"}}, {"feed_forward_proj", "gated-gelu"}},
              {{{"dense_act_fn", "gelu_new"}}, {"dense_act_fn", "gelu_new"}},
              {{{"is_gated_act", true}}, {"is_gated_act"}}};
  for (const auto& row : rows) {
    const auto result = parse_config(with(smallest(), row.more));
    for (const std::string_view word : row.words) {
      expect_error(result, ErrorCode::kUnsupported, {"config.json", word});
    }
  }
}

}  // namespace
}  // namespace trine::models
