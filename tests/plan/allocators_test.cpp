// Plans of the allocators: complete, possible, with the bits that were asked for.
#include "plan/allocators/allocator.h"

#include <gtest/gtest.h>

#include "plan/hand_model.h"
#include "support/expect_error.h"
#include "support/minimal_configs.h"

namespace trine::plan {
namespace {

using testing_support::expect_error;
using testing_support::sentence;

class Allocators : public testing::Test {
 protected:
  [[nodiscard]] AllocatorInputs inputs() const {
    AllocatorInputs in;
    in.matrix = {.quantizer = "rtn", .bits = 3, .group_size = 32, .metadata_bits = 8};
    in.score_inputs = {
        .weights = &model_.weights, .statistics = &model_.statistics, .errors = &model_.errors};
    return in;
  }
  [[nodiscard]] Plan allocated(std::string_view name, const AllocatorInputs& in) const {
    const auto plan = allocate(name, model_.spec, in);
    EXPECT_TRUE(plan) << sentence(plan);
    const auto status = check_plan(model_.spec, *plan, "plan");
    EXPECT_TRUE(status) << sentence(status);
    EXPECT_EQ(plan->matrices.size(), compressible_matrices(model_.spec).size());
    EXPECT_EQ(plan->allocator, name);
    return *plan;
  }
  [[nodiscard]] std::vector<int> bits_of_layer(const Plan& plan, std::size_t layer) const {
    std::vector<int> bits;
    for (const ExpertSpec& expert : model_.spec.layers[layer].moe->experts) {
      bits.push_back(plan.matrices.at(expert.gate_proj.name).bits);
      EXPECT_EQ(plan.matrices.at(expert.up_proj.name).bits, bits.back());
      EXPECT_EQ(plan.matrices.at(expert.down_proj.name).bits, bits.back());
    }
    return bits;
  }

  HandModel model_{};
};

TEST_F(Allocators, UniformRepeatsOneEntry) {
  for (const auto& [name, entry] : allocated("uniform", inputs()).matrices) {
    EXPECT_EQ(entry, inputs().matrix) << name;
  }
}

TEST_F(Allocators, DenseSparseTellsRoutedExpertsApart) {
  AllocatorInputs in = inputs();
  expect_error(allocate("dense-sparse", model_.spec, in), ErrorCode::kInvalidArgument,
               {"dense-sparse", "dense matrices"});
  in.dense = MatrixPlan{.quantizer = "hqq", .bits = 6, .group_size = 64};
  const Plan plan = allocated("dense-sparse", in);
  for (const MatrixSpec* matrix : compressible_matrices(model_.spec)) {
    const bool is_routed = matrix->role == MatrixRole::kExpert;
    EXPECT_EQ(plan.matrices.at(matrix->name), is_routed ? in.matrix : *in.dense);
  }
}

TEST_F(Allocators, ExpertMixedFollowsTheOrder) {
  AllocatorInputs in = inputs();
  in.score = "router-norm-change";
  in.levels = {4, 3, 2};
  in.average_bits = 3.25;  // 2 high, 1 middle, 1 low
  in.attention_bits = 5;
  const Plan plan = allocated("expert-mixed", in);
  EXPECT_EQ(bits_of_layer(plan, 0), (std::vector<int>{4, 4, 2, 3}));  // order 1, 0, 3, 2
  EXPECT_EQ(bits_of_layer(plan, 1), (std::vector<int>{3, 2, 4, 4}));
  for (const auto& [layer, average] : average_expert_bits(model_.spec, plan)) {
    EXPECT_DOUBLE_EQ(average, 3.25) << layer;
  }
  for (const MatrixSpec* matrix : compressible_matrices(model_.spec)) {
    MatrixPlan expected = in.matrix;
    expected.bits = plan.matrices.at(matrix->name).bits;
    EXPECT_EQ(plan.matrices.at(matrix->name), expected) << matrix->name;
    if (matrix->role == MatrixRole::kExpert) continue;
    EXPECT_EQ(expected.bits, 5) << matrix->name;
  }
  const auto& scores = plan.scores.at("model.layers.0.block_sparse_moe.experts.3");
  EXPECT_EQ(scores,
            (std::map<std::string, double>{{"router-norm-change", 0.75}, {"position", 2.0}}));
}

TEST_F(Allocators, CombinedRecordsTheVarianceToo) {
  AllocatorInputs in = inputs();
  in.levels = {3, 2};
  in.average_bits = 2.5;
  const Plan plan = allocated("expert-mixed", in);
  EXPECT_EQ(bits_of_layer(plan, 0), (std::vector<int>{2, 3, 3, 2}));  // order 1, 2, 0, 3
  const auto& scores = plan.scores.at("model.layers.0.block_sparse_moe.experts.2");
  EXPECT_EQ(scores.at("max-variance"), 3.5);
  EXPECT_EQ(scores.at("position"), 1.0);
}

TEST_F(Allocators, EveryScoreMakesAPlanAndKeepsTheAverage) {
  for (const ExpertScore& score : expert_score_list()) {
    AllocatorInputs in = inputs();
    in.score = score.name;
    in.levels = {5, 2};
    in.average_bits = 2.75;
    for (const auto& [layer, average] :
         average_expert_bits(model_.spec, allocated("expert-mixed", in))) {
      EXPECT_DOUBLE_EQ(average, 2.75) << score.name << " in layer " << layer;
    }
  }
}

TEST_F(Allocators, ErrorRefusesATableOfOtherShapes) {
  AllocatorInputs in = inputs();
  in.budget_bytes = std::uint64_t{1} << 30;
  model_.errors.clear();
  for (const MatrixSpec* matrix : compressible_matrices(model_.spec)) {
    model_.errors.push_back({.name = matrix->name,
                             .role = matrix->role,
                             .out_features = matrix->out_features,
                             .in_features = matrix->in_features,
                             .candidates = {{.plan = {.bits = 3}, .stored_bytes = 100}}});
  }
  EXPECT_EQ(allocated("error", in).matrices.begin()->second.bits, 3);
  ErrorRow& row = model_.errors[1];
  const std::size_t before = row.in_features;
  row.in_features += 1;
  expect_error(allocate("error", model_.spec, in), ErrorCode::kInvalidArgument,
               {row.name, "[" + std::to_string(row.out_features) + ", " +
                              std::to_string(before + 1) + "], the model as"});
  row.in_features = before;
  row.out_features += 1;
  expect_error(allocate("error", model_.spec, in), ErrorCode::kInvalidArgument, {row.name});
}

TEST_F(Allocators, RefuseByName) {
  AllocatorInputs in = inputs();
  expect_error(allocate("best", model_.spec, in), ErrorCode::kUnsupported,
               {"best", "uniform, dense-sparse, expert-mixed"});
  in.average_bits = 7.0;
  expect_error(allocate("expert-mixed", model_.spec, in), ErrorCode::kInvalidArgument,
               {"average_bits is 7"});
  in = inputs();
  in.levels = {3, 2, 1};  // not packable
  in.average_bits = 1.5;
  expect_error(allocate("expert-mixed", model_.spec, in), ErrorCode::kInvalidArgument,
               {"bits is 1"});
  in = inputs();
  in.score_inputs = {};
  expect_error(allocate("expert-mixed", model_.spec, in), ErrorCode::kInvalidArgument,
               {"statistics of the weights"});
  const auto dense = testing_support::parse_config(testing_support::minimal("llama"));
  ASSERT_TRUE(dense) << sentence(dense);
  expect_error(allocate("expert-mixed", *dense, inputs()), ErrorCode::kInvalidArgument,
               {"needs routed experts"});
  EXPECT_TRUE(allocate("uniform", *dense, inputs()));
}

}  // namespace
}  // namespace trine::plan
