#include "eval/layer_steps.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "eval/layer_mix.h"
#include "eval/layer_subject.h"

namespace trine::eval {
namespace {

/// Sides that fill neither their last row block nor their last group.
LayerBenchOptions small_layer() {
  return {.hidden_size = 40,
          .intermediate_size = 200,
          .num_experts = 4,
          .experts_per_token = 2,
          .rank = 16,
          .batches = {1, 3},
          .quick = true};
}

std::vector<float> outputs_of(const LayerSubject& layer, int threads,
                              std::vector<std::int32_t> experts) {
  const std::vector<float> inputs(small_layer().hidden_size, 1.0f);
  runtime::Compute compute(*kernels::runnable_tables().back(), threads);
  std::vector<float> outputs;
  const runtime::Routing forced{.experts_per_token = 2, .experts = std::move(experts)};
  static_cast<void>(layer.experts().apply(compute, inputs.data(), 1, outputs, &forced));
  return outputs;
}

TEST(LayerSubject, IsWhatAnEngineRuns) {
  const auto plan = mixed_experts(small_layer());
  const auto layer = LayerSubject::make(small_layer(), plan, 1, 2);
  ASSERT_TRUE(layer.has_value()) << layer.error().message;
  const std::size_t router = 4 * 40 * sizeof(float);
  EXPECT_EQ(layer->active_bytes(std::vector<std::int32_t>{3, 0, 3}),
            plan[0].stored_bytes + plan[3].stored_bytes + router);
  // What the loaded matrices say of themselves: two of four experts on average.
  const double mean = (plan[0].stored_bytes + plan[1].stored_bytes + plan[2].stored_bytes +
                       plan[3].stored_bytes) /
                      2.0;
  EXPECT_DOUBLE_EQ(layer->experts().active_bytes(), mean + static_cast<double>(router));

  const std::vector<float> outputs = outputs_of(*layer, 1, {0, 1});
  ASSERT_EQ(outputs.size(), 40u);
  EXPECT_TRUE(std::all_of(outputs.begin(), outputs.end(),
                          [](float value) { return std::isfinite(value) && value != 0.0f; }));
  EXPECT_EQ(outputs_of(*layer, 2, {0, 1}), outputs);
  EXPECT_NE(outputs_of(*layer, 1, {0, 2}), outputs);
  const auto other = LayerSubject::make(small_layer(), plan, 1u << 20, 2);
  ASSERT_TRUE(other.has_value());
  EXPECT_NE(outputs_of(*other, 1, {0, 1}), outputs);
}

TEST(LayerFigures, FollowFromStepsInTurn) {
  LayerRow row;
  set_figures({.seconds = {1.0, 2.0, 4.0, 2.0, 1.0, 1.0},
               .active_bytes = {6.0, 8.0, 8.0, 8.0, 10.0, 8.0},
               .reads = {8.0, 8.0, 4.0, 4.0, 4.0, 16.0, 16.0}},
              row);
  EXPECT_EQ(row.steps, 3u);
  EXPECT_DOUBLE_EQ(row.read_bandwidth, 8.0);
  // Mixed: 6, 2 and 10 bytes a second between reads of 8, 4 and 10: shares 0.75, 0.5 and 1.
  EXPECT_DOUBLE_EQ(row.mixed.seconds, 1.0);
  EXPECT_DOUBLE_EQ(row.mixed.active_bytes, 8.0);
  EXPECT_DOUBLE_EQ(row.mixed.bytes_per_second, 6.0);
  EXPECT_DOUBLE_EQ(row.mixed.read_share, 0.75);
  EXPECT_DOUBLE_EQ(row.mixed.read_share_first_quartile, 0.625);
  EXPECT_DOUBLE_EQ(row.mixed.read_share_third_quartile, 0.875);
  // Uniform: 4, 4 and 8 between 6, 4 and 16.
  EXPECT_DOUBLE_EQ(row.uniform.bytes_per_second, 4.0);
  EXPECT_DOUBLE_EQ(row.uniform.read_share, 4.0 / 6.0);
  // Seconds per byte, mixed over uniform: 4/6, 4/2 and 8/10.
  EXPECT_DOUBLE_EQ(row.time_per_byte, 0.8);
  EXPECT_DOUBLE_EQ(row.time_per_byte_third_quartile, 1.4);
}

class LayerRows : public testing::TestWithParam<const kernels::KernelTable*> {};

TEST_P(LayerRows, HaveFiguresOnEveryInstructionSet) {
  const LayerBenchOptions options = small_layer();
  std::vector<std::string> items;
  const auto report = measure_layer(*GetParam(), 2, options, [&](const Progress& progress) {
    items.emplace_back(progress.item);
    EXPECT_EQ(progress.done_units, items.size());
    EXPECT_EQ(progress.total_units, 4u);
  });
  ASSERT_TRUE(report.has_value()) << report.error().message;
  EXPECT_EQ(items.size(), 4u);
  EXPECT_EQ(report->mixed_bytes, report->uniform_bytes);
  ASSERT_EQ(report->rows.size(), 4u);  // two batches, one and two threads
  for (const LayerRow& row : report->rows) {
    SCOPED_TRACE(testing::Message() << "batch " << row.batch << ", threads " << row.threads);
    EXPECT_EQ(row.steps, 12u);
    EXPECT_GT(row.read_bandwidth, 0.0);
    EXPECT_GT(row.time_per_byte, 0.0);
    for (const LayerFigures& figures : {row.mixed, row.uniform}) {
      EXPECT_GT(figures.read_share, 0.0);
      EXPECT_GE(figures.read_share, figures.read_share_first_quartile);
      EXPECT_LE(figures.read_share, figures.read_share_third_quartile);
      EXPECT_LT(figures.active_bytes, static_cast<double>(report->mixed_bytes) + 1000.0);
    }
    // One token takes two of four equal experts; three tokens at least as many.
    const double two = static_cast<double>(report->uniform_bytes) / 2.0 + 4 * 40 * 4;
    if (row.batch == 1) {
      EXPECT_DOUBLE_EQ(row.uniform.active_bytes, two);
    } else {
      EXPECT_GT(row.uniform.active_bytes, two);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tables, LayerRows, testing::ValuesIn(kernels::runnable_tables()),
                         [](const auto& tested) { return std::string(tested.param->name); });

}  // namespace
}  // namespace trine::eval
