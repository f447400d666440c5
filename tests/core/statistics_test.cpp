// Which inputs are worth measuring, and how few measurements are made safe.
#include "core/statistics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/result.h"
#include "core/shrinkage.h"

namespace trine {
namespace {

constexpr std::size_t kHidden = 8;
constexpr std::size_t kInner = 6;

MatrixSpec matrix(const std::string& name, std::size_t in_features, MatrixRole role) {
  return {.name = name, .out_features = 4, .in_features = in_features, .role = role};
}

ExpertSpec mlp(const std::string& prefix, MatrixRole role) {
  return {.gate_proj = matrix(prefix + "gate", kHidden, role),
          .up_proj = matrix(prefix + "up", kHidden, role),
          .down_proj = matrix(prefix + "down", kInner, role)};
}

/// A dense layer with plain attention, and a layer of two experts and a shared one.
ModelSpec spec_of_two_layers() {
  ModelSpec spec{.hidden_size = kHidden};
  spec.embed_tokens = matrix("embed", kHidden, MatrixRole::kEmbedding);
  spec.lm_head = matrix("head", kHidden, MatrixRole::kHead);
  for (const std::string prefix : {"0.", "1."}) {
    LayerSpec layer;
    layer.attention.q_proj = matrix(prefix + "q", kHidden, MatrixRole::kAttention);
    layer.attention.k_proj = matrix(prefix + "k", kHidden, MatrixRole::kAttention);
    layer.attention.v_proj = matrix(prefix + "v", kHidden, MatrixRole::kAttention);
    layer.attention.o_proj = matrix(prefix + "o", kInner, MatrixRole::kAttention);
    spec.layers.push_back(layer);
  }
  spec.layers[0].dense = mlp("0.", MatrixRole::kDense);
  MoeSpec moe;
  moe.router.matrix = matrix("1.router", kHidden, MatrixRole::kRouter);
  moe.router.experts_per_token = 1;
  moe.experts = {mlp("1.e0.", MatrixRole::kExpert), mlp("1.e1.", MatrixRole::kExpert)};
  moe.shared_expert = mlp("1.s.", MatrixRole::kSharedExpert);
  spec.layers[1].moe = moe;
  return spec;
}

std::vector<std::string> names(const std::vector<InputSite>& sites) {
  std::vector<std::string> found;
  for (const InputSite& site : sites) found.push_back(site.name);
  return found;
}

TEST(InputSites, AreThoseOfCompressibleMatricesInOrder) {
  const auto sites = input_sites(spec_of_two_layers());
  EXPECT_EQ(names(sites), (std::vector<std::string>{"0.q", "0.o", "0.gate", "0.down", "1.q",
                                                    "1.o", "1.s.gate", "1.s.down", "1.e0.gate",
                                                    "1.e0.down", "1.e1.gate", "1.e1.down"}));
  EXPECT_EQ(sites[0].matrices, (std::vector<std::string>{"0.q", "0.k", "0.v"}));
  EXPECT_EQ(sites[0].in_features, kHidden);
  EXPECT_FALSE(sites[6].expert.has_value());
  EXPECT_EQ(sites[11].expert, std::optional<std::size_t>(1));
  EXPECT_EQ(sites[11].layer, 1u);
  EXPECT_TRUE(sites[11].is_expert_output);
  EXPECT_FALSE(sites[10].is_expert_output);
  EXPECT_EQ(sites[11].in_features, kInner);
}

TEST(InputSites, CoverEveryCompressibleMatrixOnce) {
  const ModelSpec spec = spec_of_two_layers();
  const auto by_matrix = site_by_matrix(spec);
  std::size_t listed = 0;
  for (const InputSite& site : input_sites(spec)) listed += site.matrices.size();
  EXPECT_EQ(listed, by_matrix.size());
  EXPECT_EQ(by_matrix.size(), compressible_matrices(spec).size());
  EXPECT_EQ(by_matrix.at("0.v"), "0.q");
  EXPECT_EQ(by_matrix.at("1.e1.up"), "1.e1.gate");
  EXPECT_EQ(by_matrix.at("1.o"), "1.o");
}

TEST(InputSites, SkipWhatAFamilyDoesNotHave) {
  ModelSpec spec = spec_of_two_layers();
  spec.layers[0].dense->gate_proj = {};  // a feed-forward without a gate
  spec.layers[1].attention = {};
  const auto sites = input_sites(spec);
  EXPECT_EQ(sites[2].name, "0.up");
  EXPECT_EQ(sites[2].matrices, std::vector<std::string>{"0.up"});
  EXPECT_EQ(sites[4].name, "1.s.gate");
}

TEST(InputSites, OfALatentAreWhatItsCompressibleMatricesRead) {
  ModelSpec spec = spec_of_two_layers();
  AttentionSpec& attention = spec.layers[0].attention;
  attention.k_proj = attention.v_proj = {};
  attention.latent = LatentSpec{.q_a_proj = matrix("0.q_a", kHidden, MatrixRole::kLatent),
                                .kv_a_proj = matrix("0.kv_a", kHidden, MatrixRole::kLatent),
                                .kv_b_proj = matrix("0.kv_b", 5, MatrixRole::kAttention)};
  attention.q_proj = matrix("0.q_b", 3, MatrixRole::kAttention);
  const auto sites = input_sites(spec);
  EXPECT_EQ(sites[0].name, "0.q_b");
  EXPECT_EQ(sites[0].in_features, 3u);
  EXPECT_EQ(sites[1].name, "0.kv_b");
  EXPECT_EQ(sites[1].in_features, 5u);
  EXPECT_EQ(sites[2].name, "0.o");
}

TEST(MomentBlocks, CountAShorterLastBlock) {
  EXPECT_EQ(moment_block_values(300, 0), 0u);
  EXPECT_EQ(moment_block_values(300, 128), 2u * 128 * 128 + 44 * 44);
  EXPECT_EQ(moment_block_values(48, 128), 48u * 48);
  EXPECT_EQ(moment_block_values(256, 256), 256u * 256);
}

TEST(ExpertUse, IsTheShareOfTokens) {
  EXPECT_EQ(expert_use({.tokens = 8, .expert_counts = {8, 2, 0}, .weight_sums = {}}),
            (std::vector<double>{1.0, 0.25, 0.0}));
  EXPECT_EQ(expert_use({.tokens = 0, .expert_counts = {0, 0}, .weight_sums = {}}),
            (std::vector<double>{0.0, 0.0}));
}

TEST(UnseenExperts, AreNamedByLayer) {
  ModelStatistics statistics;
  statistics.routing[3] = {.tokens = 4, .expert_counts = {0, 4, 0}, .weight_sums = {}};
  EXPECT_EQ(unseen_experts(statistics),
            (std::vector<ExpertPlace>{{.layer = 3, .expert = 0}, {.layer = 3, .expert = 2}}));
}

/// Every site of the model: `tokens` tokens, every moment `moment`, blocks of 4 inputs with
/// `moment` / 2 off the diagonal.
ModelStatistics flat_statistics(const ModelSpec& spec, std::uint64_t tokens, double moment) {
  ModelStatistics statistics{.tokens = tokens};
  for (const InputSite& site : input_sites(spec)) {
    SiteStatistics& at = statistics.sites[site.name];
    at = {.tokens = tokens,
          .second_moments = std::vector<double>(site.in_features, moment),
          .block_size = 4};
    for (std::size_t first = 0; first < site.in_features; first += 4) {
      const std::size_t width = std::min<std::size_t>(4, site.in_features - first);
      for (std::size_t i = 0; i < width * width; ++i) {
        const double value = i % (width + 1) == 0 ? moment : moment / 2;
        at.moment_blocks.push_back(static_cast<float>(value));
      }
    }
  }
  return statistics;
}

void set_site(ModelStatistics& statistics, const std::string& name, std::uint64_t tokens,
              double moment, const ModelSpec& spec) {
  statistics.sites[name] = flat_statistics(spec, tokens, moment).sites.at(name);
}

TEST(Shrinkage, MixesAnExpertWithItsLayer) {
  const ModelSpec spec = spec_of_two_layers();
  ModelStatistics statistics = flat_statistics(spec, 100, 1.0);
  set_site(statistics, "1.e0.gate", 30, 2.0, spec);
  set_site(statistics, "1.e1.gate", 10, 6.0, spec);
  const ModelStatistics shrunk = shrunk_statistics(statistics, spec);
  const double pool = (30 * 2.0 + 10 * 6.0) / 40;
  const double expected = (10 * 6.0 + kPoolTokens * pool) / (10 + kPoolTokens);
  const SiteStatistics& expert = shrunk.sites.at("1.e1.gate");
  EXPECT_EQ(expert.tokens, 10u);
  EXPECT_DOUBLE_EQ(expert.second_moments[5], expected);
  EXPECT_FLOAT_EQ(expert.moment_blocks[0], static_cast<float>(expected));
  EXPECT_FLOAT_EQ(expert.moment_blocks[1], static_cast<float>(expected / 2));
  // The inputs of down have a pool of their own, and what is no routed expert none.
  EXPECT_DOUBLE_EQ(shrunk.sites.at("1.e1.down").second_moments[0], 1.0);
  EXPECT_DOUBLE_EQ(shrunk.sites.at("1.s.gate").second_moments[0], 1.0);
}

TEST(Shrinkage, GivesAnUnseenExpertThePoolAndAnUnseenPoolOnes) {
  const ModelSpec spec = spec_of_two_layers();
  ModelStatistics statistics = flat_statistics(spec, 100, 3.0);
  set_site(statistics, "1.e0.gate", 0, 0.0, spec);
  set_site(statistics, "1.e0.down", 0, 0.0, spec);
  set_site(statistics, "1.e1.down", 0, 0.0, spec);
  const ModelStatistics shrunk = shrunk_statistics(statistics, spec);
  EXPECT_DOUBLE_EQ(shrunk.sites.at("1.e0.gate").second_moments[2], 3.0);
  EXPECT_FLOAT_EQ(shrunk.sites.at("1.e0.gate").moment_blocks[1], 1.5f);
  EXPECT_EQ(shrunk.sites.at("1.e0.gate").tokens, 0u);
  for (const char* name : {"1.e0.down", "1.e1.down"}) {
    EXPECT_EQ(shrunk.sites.at(name).second_moments, std::vector<double>(kInner, 1.0));
    EXPECT_EQ(shrunk.sites.at(name).moment_blocks[0], 1.0f);
    EXPECT_EQ(shrunk.sites.at(name).moment_blocks[1], 0.0f);
  }
}

TEST(Shrinkage, LiftsDeadChannelsAboveZero) {
  const ModelSpec spec = spec_of_two_layers();
  ModelStatistics statistics = flat_statistics(spec, 100, 1.0);
  SiteStatistics& site = statistics.sites.at("0.q");
  site.second_moments[1] = 0.0;
  for (const std::size_t value : {1u, 4u, 5u, 6u, 7u, 9u, 13u})
    site.moment_blocks[value] = 0.0f;
  set_site(statistics, "0.o", 100, 0.0, spec);  // a dead layer
  const ModelStatistics shrunk = shrunk_statistics(statistics, spec);
  const double floor = kChannelFloor * 7.0 / 8.0;
  EXPECT_DOUBLE_EQ(shrunk.sites.at("0.q").second_moments[1], floor);
  EXPECT_FLOAT_EQ(shrunk.sites.at("0.q").moment_blocks[5], static_cast<float>(floor));
  EXPECT_EQ(shrunk.sites.at("0.q").moment_blocks[1], 0.0f);
  EXPECT_EQ(shrunk.sites.at("0.q").second_moments[0], 1.0);
  EXPECT_EQ(shrunk.sites.at("0.o").second_moments, std::vector<double>(kInner, 1.0));
}

TEST(Shrinkage, KnowsStatisticsOfAnotherModel) {
  const ModelSpec spec = spec_of_two_layers();
  ModelStatistics statistics = flat_statistics(spec, 100, 1.0);
  statistics.sites.at("1.q").second_moments.pop_back();
  EXPECT_THROW(static_cast<void>(shrunk_statistics(statistics, spec)), InvariantError);
  statistics.sites.erase("1.q");
  EXPECT_THROW(static_cast<void>(shrunk_statistics(statistics, spec)), InvariantError);
}

}  // namespace
}  // namespace trine
