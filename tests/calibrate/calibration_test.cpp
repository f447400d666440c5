// Statistics of small random models: what is summed, merged, left out and refused.
#include "calibrate/calibration.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "calibrate/collector.h"
#include "calibrate/merge.h"
#include "support/expect_error.h"
#include "support/memory_weights.h"

namespace trine::calibrate {
namespace {

using testing_support::expect_error;
using testing_support::random_tokens;
using testing_support::random_weights;
using testing_support::sentence;
using testing_support::small_spec;

/// Hands out token ids in pieces of any size.
class Pieces final : public TokenSource {
 public:
  Pieces(std::vector<std::int32_t> token_ids, std::size_t piece)
      : token_ids_(std::move(token_ids)), piece_(piece) {}
  Result<std::vector<std::int32_t>> next() override {
    const std::size_t count = std::min(piece_, token_ids_.size() - used_);
    used_ += count;
    const auto first = token_ids_.begin() + static_cast<std::ptrdiff_t>(used_ - count);
    return std::vector<std::int32_t>(first, first + static_cast<std::ptrdiff_t>(count));
  }
  [[nodiscard]] std::uint64_t expected_tokens() const override { return token_ids_.size(); }

 private:
  std::vector<std::int32_t> token_ids_;
  std::size_t piece_;
  std::size_t used_ = 0;
};

class CalibrationTest : public testing::Test {
 protected:
  [[nodiscard]] runtime::Engine engine(int threads = 2) const {
    return runtime::Engine::load(spec_, weights_, *kernels::runnable_tables().front(), threads)
        .value();
  }
  [[nodiscard]] Result<Calibration> run(const std::vector<std::int32_t>& token_ids,
                                        const CalibrationOptions& options,
                                        std::size_t piece = 1000, int threads = 2) const {
    runtime::Engine model = engine(threads);
    Pieces source(token_ids, piece);
    return collect_statistics(model, source, options, {});
  }
  [[nodiscard]] std::vector<std::int32_t> tokens(std::size_t first, std::size_t count) const {
    const auto begin = token_ids_.begin() + static_cast<std::ptrdiff_t>(first);
    return {begin, begin + static_cast<std::ptrdiff_t>(count)};
  }

  ModelSpec spec_ = small_spec();
  testing_support::MemoryWeights weights_ = random_weights(spec_, 1);
  std::vector<std::int32_t> token_ids_ = random_tokens(215, spec_.vocab_size, 3);
};

void expect_same(const ModelStatistics& found, const ModelStatistics& expected) {
  EXPECT_EQ(found.tokens, expected.tokens);
  ASSERT_EQ(found.sites.size(), expected.sites.size());
  for (const auto& [name, site] : expected.sites) {
    EXPECT_EQ(found.sites.at(name).tokens, site.tokens) << name;
    EXPECT_EQ(found.sites.at(name).second_moments, site.second_moments) << name;
    EXPECT_EQ(found.sites.at(name).moment_blocks, site.moment_blocks) << name;
  }
  for (const auto& [layer, routing] : expected.routing) {
    EXPECT_EQ(found.routing.at(layer).tokens, routing.tokens);
    EXPECT_EQ(found.routing.at(layer).expert_counts, routing.expert_counts);
    EXPECT_EQ(found.routing.at(layer).weight_sums, routing.weight_sums);
  }
}

TEST_F(CalibrationTest, CountsTokensAndRouting) {
  const auto calibration = run(token_ids_, {.window = 20, .moments = MomentKind::kBlocks});
  ASSERT_TRUE(calibration.has_value()) << sentence(calibration);
  EXPECT_EQ(calibration->windows, 10u);  // 15 tokens are left over
  const ModelStatistics& statistics = calibration->statistics;
  EXPECT_EQ(statistics.tokens, 200u);
  const auto sites = input_sites(spec_);
  EXPECT_EQ(statistics.sites.size(), sites.size());
  for (const InputSite& site : sites) {
    const SiteStatistics& found = statistics.sites.at(site.name);
    EXPECT_EQ(found.second_moments.size(), site.in_features);
    EXPECT_EQ(found.block_size, kBlockInputs);
    EXPECT_EQ(found.tokens, site.expert
                                ? statistics.routing.at(site.layer).expert_counts[*site.expert]
                                : 200u);
  }
  for (const auto& [layer, routing] : statistics.routing) {
    EXPECT_EQ(routing.tokens, 200u);
    std::uint64_t sent = 0;
    double weight = 0.0;
    for (const std::uint64_t count : routing.expert_counts) sent += count;
    for (const double sum : routing.weight_sums) weight += sum;
    EXPECT_EQ(sent, 400u);
    // Mixtral's weights of one token sum to 1; each was rounded to fp32 twice.
    EXPECT_NEAR(weight, 200.0, 200.0 * 4 * 0x1p-24);
  }
}

TEST_F(CalibrationTest, IsTheSameForAnyThreadsAndPieces) {
  const CalibrationOptions options{.window = 20, .moments = MomentKind::kFull};
  const auto one = run(token_ids_, options, 1000, 1);
  ASSERT_TRUE(one.has_value());
  for (const int threads : {2, 5}) {
    expect_same(run(token_ids_, options, 7, threads)->statistics, one->statistics);
  }
}

TEST_F(CalibrationTest, OfTwoHalvesMergesToThatOfTheWhole) {
  const CalibrationOptions options{.window = 20, .moments = MomentKind::kBlocks};
  const ModelStatistics whole = run(tokens(0, 200), options)->statistics;
  ModelStatistics merged = run(tokens(0, 120), options)->statistics;
  const ModelStatistics second = run(tokens(120, 80), options)->statistics;
  ModelStatistics reversed = second;
  merge_into(reversed, merged);
  merge_into(merged, second);
  for (const ModelStatistics& found : {merged, reversed}) {
    EXPECT_EQ(found.tokens, whole.tokens);
    for (const auto& [name, site] : whole.sites) {
      const SiteStatistics& at = found.sites.at(name);
      EXPECT_EQ(at.tokens, site.tokens);
      for (std::size_t i = 0; i < site.second_moments.size(); ++i) {
        // Batches are cut differently, so the inputs themselves differ: sums of at most n = 48
        // terms in another order, through some 14 products (tests/eval/perplexity_test.cpp), as
        // a share of the inputs' own size, and twice that in their squares.
        const double scale = site.second_moments[i] + 1e-3;
        EXPECT_NEAR(at.second_moments[i], site.second_moments[i],
                    2.0 * 14.0 * 48.0 * std::sqrt(48.0) * 0x1p-24 * scale)
            << name;
      }
    }
    for (const auto& [layer, routing] : whole.routing) {
      EXPECT_EQ(found.routing.at(layer).expert_counts, routing.expert_counts);
    }
  }
}

TEST(Merge, IsTheTokenWeightedMean) {
  const auto one_site = [](std::uint64_t tokens, double moment) {
    ModelStatistics statistics{.tokens = tokens};
    statistics.sites["a"] = {.tokens = tokens, .second_moments = {moment}};
    statistics.routing[0] = {tokens, {tokens, 0}, {0.5, 0.0}};
    return statistics;
  };
  ModelStatistics merged = one_site(3, 2.0);
  merge_into(merged, one_site(1, 6.0));
  merge_into(merged, one_site(0, 0.0));  // an expert that saw nothing changes nothing
  EXPECT_EQ(merged.tokens, 4u);
  EXPECT_EQ(merged.sites["a"].tokens, 4u);
  EXPECT_EQ(merged.sites["a"].second_moments[0], 3.0);
  EXPECT_EQ(merged.routing[0].expert_counts, (std::vector<std::uint64_t>{4, 0}));
  EXPECT_EQ(merged.routing[0].weight_sums[0], 1.5);
  ModelStatistics nothing = one_site(0, 0.0);
  merge_into(nothing, one_site(0, 0.0));
  EXPECT_EQ(nothing.sites["a"].second_moments[0], 0.0);
}

TEST_F(CalibrationTest, StopsAfterSoManyTokens) {
  const auto calibration = run(token_ids_, {.window = 20, .max_tokens = 70});
  EXPECT_EQ(calibration->statistics.tokens, 60u);
  expect_same(calibration->statistics, run(tokens(0, 60), {.window = 20})->statistics);
}

TEST_F(CalibrationTest, KeepsZerosForAnExpertThatSawNothing) {
  // One token goes to 2 of 4 experts in each of two layers.
  const auto calibration = run(tokens(0, 1), {.window = 1});
  ASSERT_TRUE(calibration.has_value()) << sentence(calibration);
  const auto unseen = unseen_experts(calibration->statistics);
  ASSERT_EQ(unseen.size(), 4u);
  for (const InputSite& site : input_sites(spec_)) {
    const SiteStatistics& found = calibration->statistics.sites.at(site.name);
    const bool is_unseen =
        site.expert && std::find(unseen.begin(), unseen.end(),
                                 ExpertPlace{site.layer, *site.expert}) != unseen.end();
    EXPECT_EQ(found.tokens, is_unseen ? 0u : 1u);
    if (is_unseen) {
      EXPECT_EQ(found.second_moments, std::vector<double>(site.in_features));
    }
  }
}

TEST_F(CalibrationTest, RefusesWhatCannotBeMeasured) {
  expect_error(run(tokens(0, 19), {.window = 20}), ErrorCode::kInvalidArgument,
               {"19 tokens", "20"});
  expect_error(run({}, {.window = 20}), ErrorCode::kInvalidArgument, {"0 tokens"});
  expect_error(run(token_ids_, {.window = 0}), ErrorCode::kInvalidArgument, {"window"});
  expect_error(run(token_ids_, {.window = 20, .max_tokens = 19}), ErrorCode::kInvalidArgument,
               {"19", "20"});
  const std::uint64_t bytes = moment_bytes(input_sites(spec_), MomentKind::kFull);
  expect_error(
      run(token_ids_, {.window = 20, .moments = MomentKind::kFull, .memory_bytes = bytes - 1}),
      ErrorCode::kInvalidArgument, {"full", std::to_string(bytes), std::to_string(bytes - 1)});
  EXPECT_TRUE(
      run(token_ids_, {.window = 20, .moments = MomentKind::kFull, .memory_bytes = bytes})
          .has_value());
  expect_error(run({1, 2, 50}, {.window = 3}), ErrorCode::kInvalidArgument, {"token id 50"});
}

TEST_F(CalibrationTest, NamesTheSiteOfADamagedModel) {
  const std::string norm = "model.layers.1.input_layernorm.weight";
  std::vector<float> values(spec_.hidden_size, 1.0f);
  values[3] = HUGE_VALF;
  weights_.set(norm, DType::kF32, {values.size()}, values);
  expect_error(run(token_ids_, {.window = 20}), ErrorCode::kMalformed,
               {"model.layers.1", "infinite"});
}

TEST_F(CalibrationTest, LeavesNoObserverBehind) {
  runtime::Engine model = engine();
  {
    Pieces source({1, 2, 50}, 10);
    ASSERT_FALSE(collect_statistics(model, source, {.window = 3}, {}).has_value());
  }
  runtime::KvCache cache(spec_);
  const std::vector<std::int32_t> token_ids = {1, 2, 3};
  const runtime::SequenceStep step{token_ids, &cache};
  EXPECT_TRUE(model.forward(std::span(&step, 1)).has_value());  // a dangling one would crash
}

}  // namespace
}  // namespace trine::calibrate
