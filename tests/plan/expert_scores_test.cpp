// Every score on a model whose statistics are chosen by hand: value, direction, what it needs.
#include "plan/expert_scores.h"

#include <gtest/gtest.h>

#include <limits>

#include "plan/expert_ranking.h"
#include "plan/hand_model.h"
#include "support/expect_error.h"

namespace trine::plan {
namespace {

using testing_support::expect_error;
using testing_support::sentence;
using Order = std::vector<std::size_t>;

class ExpertScores : public testing::Test {
 protected:
  [[nodiscard]] ScoreInputs inputs() const {
    return {
        .weights = &model_.weights, .statistics = &model_.statistics, .errors = &model_.errors};
  }
  [[nodiscard]] std::map<std::size_t, ExpertRanking> ranked(std::string_view score,
                                                            const ScoreInputs& in) const {
    const auto found = rank_experts(score, model_.spec, in);
    EXPECT_TRUE(found) << score << ": " << sentence(found);
    return *found;
  }
  /// Scores and order in layer 0; in layer 1 the scores are those backwards.
  void expect(std::string_view score, const std::vector<double>& scores, const Order& order) {
    const auto found = ranked(score, inputs());
    for (std::size_t layer = 0; layer < 2; ++layer) {
      const auto expected = HandModel::turned(scores, layer);
      ASSERT_EQ(found.at(layer).scores.size(), 4u) << score;
      for (std::size_t expert = 0; expert < 4; ++expert) {
        EXPECT_DOUBLE_EQ(found.at(layer).scores[expert], expected[expert]) << score;
      }
    }
    EXPECT_EQ(found.at(0).order, order) << score;
  }

  HandModel model_{};
};

TEST_F(ExpertScores, RoutersAscend) {
  expect("router-norm", {4, 3, 2, 1}, {3, 2, 1, 0});
  expect("router-norm-centred", {2, 1, 4, 3}, {1, 0, 3, 2});
  expect("router-norm-change", {0.5, 0.25, 1, 0.75}, {1, 0, 3, 2});
  expect("hot-first", {0.5, 0.25, 1, 0.75}, {2, 3, 0, 1});
}

TEST_F(ExpertScores, SpreadUseAndErrorsDescend) {
  expect("max-variance", {1, 2, 3.5, 1}, {2, 1, 0, 3});
  expect("frequency", {0.1, 0.8, 0.6, 0.5}, {1, 2, 3, 0});
  expect("routing-weight", {0.9, 0.1, 0.5, 0.4}, {0, 2, 3, 1});
  expect("kurtosis", {1, 2, 3, 4}, {3, 2, 1, 0});
  expect("weight-error", {0.9, 0.3, 0.6, 1.2}, {3, 0, 2, 1});
  expect("output-error", {1.8, 0.6, 1.2, 2.4}, {3, 0, 2, 1});
  const auto hessian = ranked("hessian", inputs()).at(0);
  EXPECT_NEAR(hessian.scores[2], 3 * 0.6 * 2, 1e-12);
  EXPECT_EQ(hessian.order, (Order{3, 2, 1, 0}));  // 6, 3.6, 2.4, 0.9
  expect("uniform", {0, 0, 0, 0}, {0, 1, 2, 3});
}

TEST_F(ExpertScores, CombinedPromotesTheWideExpert) {
  // By change 1, 0, 3, 2; expert 2 is 3.5 times as wide as experts 0 and 3, 1.75 times as 1.
  const auto found = ranked("combined", inputs());
  EXPECT_EQ(found.at(0).order, (Order{1, 2, 0, 3}));
  EXPECT_EQ(found.at(0).max_variances, (std::vector<double>{1, 2, 3.5, 1}));
  ScoreInputs in = inputs();
  in.zeta = std::numeric_limits<double>::infinity();
  EXPECT_EQ(ranked("combined", in).at(0).order, (Order{1, 0, 3, 2}));
  in.zeta = 0.5;
  expect_error(rank_experts("combined", model_.spec, in), ErrorCode::kInvalidArgument,
               {"zeta is 0.5"});
}

TEST_F(ExpertScores, WithoutInitialRoutersCombinedTakesTheNorm) {
  for (auto& [layer, router] : model_.weights.routers) router.norm_changes.clear();
  EXPECT_EQ(ranked("combined", inputs()).at(0).scores, (std::vector<double>{4, 3, 2, 1}));
  expect_error(rank_experts("router-norm-change", model_.spec, inputs()),
               ErrorCode::kInvalidArgument, {"router-norm-change", "before training"});
}

TEST_F(ExpertScores, VariantsOfMaxVariance) {
  ScoreInputs in = inputs();
  in.variance_includes_up_proj = true;
  EXPECT_EQ(ranked("max-variance", in).at(0).scores, (std::vector<double>{3, 3, 3.5, 3}));
  in = inputs();
  in.variance = VarianceRule::kCompat;
  EXPECT_EQ(ranked("max-variance", in).at(0).scores, (std::vector<double>{9, 8, 6.5, 9}));
}

TEST_F(ExpertScores, RandomIsSeededAndDiffersByLayer) {
  ScoreInputs in = inputs();
  in.seed = 7;
  const auto first = ranked("random", in);
  EXPECT_EQ(first.at(0).scores, ranked("random", in).at(0).scores);
  EXPECT_NE(first.at(0).scores, first.at(1).scores);
  in.seed = 8;
  EXPECT_NE(first.at(0).scores, ranked("random", in).at(0).scores);
}

TEST_F(ExpertScores, SayWhatIsMissing) {
  const auto refused = [&](std::string_view score, const ScoreInputs& in,
                           std::initializer_list<std::string_view> words) {
    expect_error(rank_experts(score, model_.spec, in), ErrorCode::kInvalidArgument, words);
  };
  for (const ExpertScore& score : expert_score_list()) {
    if (score.name == "random" || score.name == "uniform") continue;
    refused(score.name, {}, {" needs ", "there are none"});
  }
  refused("frequency", {.weights = &model_.weights}, {"frequency", "real text"});
  refused("weight-error", {.weights = &model_.weights}, {"weight-error", "measured errors"});
  refused("output-error", {.errors = &model_.errors}, {"output-error", "real text"});
  ScoreInputs in = inputs();
  in.error_bits = 4;
  refused("weight-error", in, {"at 4 bits", ".experts.0.w1"});
  model_.statistics.routing.erase(1);
  refused("frequency", inputs(), {"layer 1", "4 experts"});
  model_.weights.matrices.erase(model_.spec.layers[0].moe->experts[2].gate_proj.name);
  refused("max-variance", inputs(), {"experts.2", "no such matrix"});
  model_.weights.routers[1].norms[2] = std::numeric_limits<double>::quiet_NaN();
  refused("router-norm", inputs(), {"router-norm of layer 1", "finite"});
}

TEST_F(ExpertScores, UnknownNamesListTheKnown) {
  expect_error(rank_experts("loudness", model_.spec, inputs()), ErrorCode::kUnsupported,
               {"loudness", "router-norm-change", "hot-first"});
}

TEST_F(ExpertScores, NameOfAnExpert) {
  EXPECT_EQ(expert_name(model_.spec.layers[1].moe->experts[3]),
            "model.layers.1.block_sparse_moe.experts.3");
}

}  // namespace
}  // namespace trine::plan
