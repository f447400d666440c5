// Rank strategies: the grammar, the published formulas, and what ours keeps instead.
#include "plan/rank_strategies.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "plan/allocators/allocator.h"
#include "plan/proportional_ranks.h"
#include "support/expect_error.h"
#include "support/minimal_configs.h"

namespace trine::plan {
namespace {

using testing_support::expect_error;
using testing_support::sentence;

TEST(RankStrategy, Parses) {
  const auto terms = parse_rank_strategy("dense-512+kurtosis-16");
  ASSERT_TRUE(terms) << sentence(terms);
  ASSERT_EQ(terms->size(), 2u);
  EXPECT_EQ((*terms)[0].name, "dense");
  EXPECT_EQ((*terms)[0].rank, 512u);
  EXPECT_EQ((*terms)[1].name, "kurtosis");
  EXPECT_EQ((*terms)[1].rank, 16u);
}

TEST(RankStrategy, RefusesByName) {
  constexpr auto kCode = ErrorCode::kInvalidArgument;
  for (const char* text : {"", "dense", "dense-", "dense-x", "dense-8x", "dense--8", "-8",
                           "thick-8", "dense-8+", "+dense-8", "dense-99999999999999999999"}) {
    expect_error(parse_rank_strategy(text), kCode, {text, "known names: uniform, dense"});
  }
  expect_error(parse_rank_strategy("uniform-8+dense-16"), kCode,
               {"uniform-8 and dense-16", "dense matrices"});
  expect_error(parse_rank_strategy("sparse-8+frequency-16"), kCode,
               {"sparse-8 and frequency-16", "routed experts"});
  expect_error(parse_rank_strategy("sparse-8+sparse-8"), kCode, {"routed experts"});
}

/// What the published list of kurtoses of Mixtral-8x7B gives with s1 (k = 2) and s2 (k = 3).
TEST(RankStrategy, PublishedKurtosisRule) {
  struct Row {
    double kurtosis;
    std::size_t s1, s2;
  };
  for (const Row& row :
       {Row{0.05, 0, 0}, Row{0.5, 0, 0}, Row{0.8, 8, 16}, Row{1.5, 16, 32}, Row{2.5, 16, 32},
        Row{4.0, 64, 128}, Row{6.4, 256, 512}, Row{7.3, 512, 1024}, Row{8.625, 2048, 4096},
        Row{9.375, 2048, 4096}, Row{12.9, 1024, 1024}, Row{23.25, 1024, 1024},
        Row{28, 1024, 1024}, Row{-0.9, 0, 0}}) {
    EXPECT_EQ(published_kurtosis_rank(row.kurtosis, 2), row.s1) << row.kurtosis;
    EXPECT_EQ(published_kurtosis_rank(row.kurtosis, 3), row.s2) << row.kurtosis;
  }
}

TEST(ProportionalRanks, KeepTheTotalAndTheOrder) {
  EXPECT_EQ(proportional_ranks({1, 1, 2}, {512, 512, 512}, 64, 16),
            (std::vector<std::size_t>{16, 16, 32}));
  // Exact shares 10, 22, 32: remainders 10 and 6.
  EXPECT_EQ(proportional_ranks({5, 11, 16}, {512, 512, 512}, 64, 16),
            (std::vector<std::size_t>{16, 16, 32}));
  // Nobody above the cap; the rest share what is left.
  EXPECT_EQ(proportional_ranks({1, 1, 1000}, {512, 512, 40}, 96, 16),
            (std::vector<std::size_t>{32, 32, 32}));
  EXPECT_EQ(proportional_ranks({0, 0}, {64, 64}, 64, 16), (std::vector<std::size_t>{0, 0}));
  EXPECT_EQ(proportional_ranks({1, 1}, {16, 16}, 640, 16), (std::vector<std::size_t>{16, 16}));
  EXPECT_EQ(proportional_ranks({1, 2}, {7, 7}, 6, 1), (std::vector<std::size_t>{2, 4}));
}

/// DeepSeek-MoE in small: a dense layer, layers of 8 routed experts and shared ones.
class RankStrategies : public testing::Test {
 protected:
  RankStrategies() {
    auto config = testing_support::minimal("deepseek");
    config["intermediate_size"] = 640;
    config["moe_intermediate_size"] = 128;
    spec_ = testing_support::parse_config(config).value();
    base::Random random(1);
    for (std::size_t layer = 0; layer < spec_.layers.size(); ++layer) {
      if (!spec_.layers[layer].moe) continue;
      std::uint64_t count = 1;
      for (const ExpertSpec& expert : spec_.layers[layer].moe->experts) {
        statistics_.routing[layer].expert_counts.push_back(count += 3);
        for (const MatrixSpec* matrix : matrices(expert)) {
          weights_.matrices[matrix->name].excess_kurtosis = 6.0 * random.uniform() - 0.5;
        }
      }
    }
    AllocatorInputs inputs;
    inputs.matrix.bits = 3;
    plan_ = allocate("uniform", spec_, inputs).value();
  }
  static std::vector<const MatrixSpec*> matrices(const ExpertSpec& expert) {
    return {&expert.gate_proj, &expert.up_proj, &expert.down_proj};
  }
  void apply(std::string_view strategy, const RankOptions& options = {}) {
    const auto status =
        apply_rank_strategy(strategy, spec_, {&weights_, &statistics_}, options, plan_);
    ASSERT_TRUE(status) << sentence(status);
    const auto checked = check_plan(spec_, plan_, "plan");
    EXPECT_TRUE(checked) << sentence(checked);
  }
  [[nodiscard]] std::size_t rank(const MatrixSpec& matrix) const {
    return plan_.matrices.at(matrix.name).rank;
  }
  [[nodiscard]] double mean_expert_rank() const {
    double sum = 0.0, count = 0.0;
    for (const MatrixSpec* matrix : compressible_matrices(spec_)) {
      if (matrix->role != MatrixRole::kExpert) continue;
      sum += static_cast<double>(rank(*matrix));
      count += 1.0;
    }
    return sum / count;
  }

  ModelSpec spec_{};
  Plan plan_{};
  WeightStatistics weights_{};
  ModelStatistics statistics_{};
};

TEST_F(RankStrategies, ConstantTermsCoverTheirClasses) {
  apply("dense-32+sparse-16");
  for (const MatrixSpec* matrix : compressible_matrices(spec_)) {
    const bool is_routed = matrix->role == MatrixRole::kExpert;
    EXPECT_EQ(rank(*matrix), is_routed ? 16u : 32u) << matrix->name;
    EXPECT_EQ(plan_.matrices.at(matrix->name).compensator, "milo");
  }
  apply("dense-32");
  for (const MatrixSpec* matrix : compressible_matrices(spec_)) {
    if (matrix->role != MatrixRole::kExpert) continue;
    EXPECT_EQ(rank(*matrix), 0u) << matrix->name;
    EXPECT_EQ(plan_.matrices.at(matrix->name).compensator, "");
  }
  apply("uniform-48", {.compensator = "other", .factor_bits = 8});
  for (const auto& [name, entry] : plan_.matrices) {
    EXPECT_EQ(entry.rank, 48u) << name;
    EXPECT_EQ(entry.compensator, "other");
    EXPECT_EQ(entry.factor_bits, 8);
  }
}

TEST_F(RankStrategies, ScaleStepAndCap) {
  const MatrixSpec& expert = spec_.layers[1].moe->experts[0].gate_proj;  // [128, 256]
  EXPECT_EQ(rank_cap(expert), 85u);                                      // 85 · 384 < 32768
  apply("uniform-512", {.rank_scale = 1.0 / 16});
  EXPECT_EQ(rank(expert), 32u);
  apply("uniform-24");
  EXPECT_EQ(rank(expert), 32u);  // halves up
  apply("uniform-3");
  EXPECT_EQ(rank(expert), 16u);  // not to nothing
  apply("uniform-0");
  EXPECT_EQ(rank(expert), 0u);
  apply("uniform-1024");
  EXPECT_EQ(rank(expert), 80u);
  apply("uniform-1024", {.compat = true});
  EXPECT_EQ(rank(expert), 128u);  // full rank, as the paper's 1024 on its k_proj
  apply("uniform-20", {.rounds_to_step = false});
  EXPECT_EQ(rank(expert), 20u);
}

TEST_F(RankStrategies, SmallMatricesHaveTheirOwnCap) {
  ModelSpec small;
  small.layers.resize(1);
  small.embed_tokens.role = MatrixRole::kEmbedding;
  small.layers[0].attention.q_proj = {.name = "q", .out_features = 16, .in_features = 24};
  plan_.matrices = {{"q", {}}};
  const auto status = apply_rank_strategy("dense-16", small, {}, {}, plan_);
  ASSERT_TRUE(status) << sentence(status);
  EXPECT_EQ(plan_.matrices.at("q").rank, 9u);  // 9 · 40 < 384
}

TEST_F(RankStrategies, FrequencyIsProportionalPerLayer) {
  apply("dense-16+frequency-16", {.rounds_to_step = false});
  // Counts 4, 7, …, 25 of 116: round(4 / 116 · 128) = 4, round(25 / 116 · 128) = 28.
  const auto& experts = spec_.layers[1].moe->experts;
  for (std::size_t expert = 0; expert < experts.size(); ++expert) {
    const double count = 4.0 + 3.0 * static_cast<double>(expert);
    for (const MatrixSpec* matrix : matrices(experts[expert])) {
      EXPECT_EQ(rank(*matrix), static_cast<std::size_t>(std::nearbyint(count / 116 * 128)));
    }
  }
  apply("frequency-32");
  EXPECT_DOUBLE_EQ(mean_expert_rank(), 32.0);
  for (std::size_t expert = 1; expert < experts.size(); ++expert) {
    EXPECT_GE(rank(experts[expert].gate_proj), rank(experts[expert - 1].gate_proj));
    EXPECT_EQ(rank(experts[expert].gate_proj) % kRankStep, 0u);
    EXPECT_EQ(rank(experts[expert].gate_proj), rank(experts[expert].down_proj));
  }
}

TEST_F(RankStrategies, KurtosisIsMonotoneAndKeepsTheAverage) {
  for (const std::size_t asked : {8, 16, 32, 64}) {
    apply("kurtosis-" + std::to_string(asked));
    EXPECT_NEAR(mean_expert_rank(), static_cast<double>(asked), 0.5) << asked;
    std::vector<std::pair<double, std::size_t>> ranks;
    for (const auto& [name, statistics] : weights_.matrices) {
      ranks.emplace_back(statistics.excess_kurtosis, plan_.matrices.at(name).rank);
    }
    std::sort(ranks.begin(), ranks.end());
    EXPECT_TRUE(std::is_sorted(ranks.begin(), ranks.end(), [](const auto& a, const auto& b) {
      return a.second < b.second;
    }));
    EXPECT_LT(ranks.front().second, ranks.back().second);
    EXPECT_TRUE(std::all_of(ranks.begin(), ranks.end(),
                            [](const auto& entry) { return entry.second % kRankStep == 0; }));
  }
}

TEST_F(RankStrategies, KurtosisCompatIsThePublishedRule) {
  const MatrixSpec& matrix = spec_.layers[1].moe->experts[0].down_proj;
  const auto rank_at = [&](double kurtosis, const RankOptions& options) {
    weights_.matrices[matrix.name].excess_kurtosis = kurtosis;
    apply("dense-16+kurtosis-16", options);
    return rank(matrix);
  };
  const RankOptions published = {.compat = true, .rounds_to_step = false};
  EXPECT_EQ(rank_at(0.8, published), 8u);
  EXPECT_EQ(rank_at(0.5, published), 0u);
  EXPECT_EQ(rank_at(4.4, published), 64u);
  EXPECT_EQ(rank_at(9.0, published), 128u);  // 2048, and the matrix has no more
  EXPECT_EQ(rank_at(0.8, {.compat = true}), 16u);
  expect_error(
      apply_rank_strategy("kurtosis-24", spec_, {&weights_, nullptr}, published, plan_),
      ErrorCode::kInvalidArgument, {"kurtosis-16 and kurtosis-32", "kurtosis-24"});
}

TEST_F(RankStrategies, SayWhatIsMissingAndChangeNothing) {
  const Plan before = plan_;
  const auto refused = [&](std::string_view strategy, const RankOptions& options,
                           std::initializer_list<std::string_view> words) {
    expect_error(apply_rank_strategy(strategy, spec_, {}, options, plan_),
                 ErrorCode::kInvalidArgument, words);
    EXPECT_EQ(plan_.matrices, before.matrices);
  };
  refused("dense-16+frequency-16", {}, {"frequency-16", "real text"});
  refused("dense-16+kurtosis-16", {}, {"kurtosis-16", "experts.0"});
  refused("dense-16", {.rank_scale = 0.0}, {"rank_scale is 0"});
  plan_.matrices.erase(plan_.matrices.begin());
  expect_error(apply_rank_strategy("dense-16", spec_, {}, {}, plan_),
               ErrorCode::kInvalidArgument, {before.matrices.begin()->first, "no entry"});
}

}  // namespace
}  // namespace trine::plan
