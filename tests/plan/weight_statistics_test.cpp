// Statistics of weights against hand-computed and plainly computed ones.
#include "plan/weight_statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "support/expect_error.h"
#include "support/memory_weights.h"

namespace trine::plan {
namespace {

using testing_support::expect_error;
using testing_support::MemoryWeights;
using testing_support::random_weights;
using testing_support::sentence;
using testing_support::small_spec;

MatrixSpec matrix_spec(std::size_t rows, std::size_t cols) {
  return {.name = "m", .out_features = rows, .in_features = cols, .role = MatrixRole::kExpert};
}

Result<MatrixStatistics> measured(std::size_t rows, std::size_t cols,
                                  const std::vector<float>& values, int threads = 1) {
  MemoryWeights weights;
  weights.set("m", DType::kF32, {rows, cols}, values);
  return measure_matrix(matrix_spec(rows, cols), weights, threads);
}

TEST(WeightStatistics, HandMatrix) {
  // Row 0: mean 5, variance 1, norm² 52 (largest). Row 1: mean 0, variance 9, norm² 18.
  const auto found = measured(2, 2, {4, 6, 3, -3});
  ASSERT_TRUE(found) << sentence(found);
  EXPECT_DOUBLE_EQ(found->squared_norm, 70.0);
  EXPECT_DOUBLE_EQ(found->max_row_norm, std::sqrt(52.0));
  EXPECT_DOUBLE_EQ(found->max_row_variance, 9.0);
  EXPECT_DOUBLE_EQ(found->max_row_variance_unbiased, 18.0);
  EXPECT_DOUBLE_EQ(found->largest_row_variance, 2.0);  // of row 0: the published code's choice
  // Distances from 2.5: 1.5, 3.5, 0.5, −5.5. Σ² = 45, Σ⁴ = 1070.25.
  EXPECT_NEAR(found->excess_kurtosis, 4.0 * 1070.25 / (45.0 * 45.0) - 3.0, 1e-12);
}

TEST(WeightStatistics, KurtosisOfKnownShapes) {
  EXPECT_EQ(measured(2, 3, std::vector<float>(6, 0.1f))->excess_kurtosis, 0.0);
  EXPECT_NEAR(measured(1, 4, {1, -1, 1, -1})->excess_kurtosis, -2.0, 1e-12);
  const auto normal = testing_support::random_normal(256 * 512, 3, 0.01);
  EXPECT_NEAR(measured(256, 512, normal)->excess_kurtosis, 0.0, 0.05);
}

TEST(WeightStatistics, RowsAreMergedAsTheWholeMatrix) {
  constexpr std::size_t kRows = 130, kCols = 33;
  auto values = testing_support::random_normal(kRows * kCols, 5);
  for (std::size_t i = 0; i < values.size(); ++i) {  // skewed, rows with means of their own
    values[i] = std::exp(values[i]) + static_cast<float>(i / kCols % 7);
  }
  double mean = 0.0, second = 0.0, fourth = 0.0;
  for (const float value : values) mean += value / static_cast<double>(values.size());
  for (const float value : values) {
    const double square = (value - mean) * (value - mean);
    second += square;
    fourth += square * square;
  }
  const double expected = static_cast<double>(values.size()) * fourth / (second * second) - 3.0;
  const auto found = measured(kRows, kCols, values);
  EXPECT_NEAR(found->excess_kurtosis, expected, 1e-10 * std::fabs(expected));
  const auto threaded = measured(kRows, kCols, values, 3);
  EXPECT_EQ(found->excess_kurtosis, threaded->excess_kurtosis);
  EXPECT_EQ(found->squared_norm, threaded->squared_norm);
}

TEST(WeightStatistics, RefusesWhatIsNoOriginalWeight) {
  expect_error(measured(1, 2, {1.0f, INFINITY}), ErrorCode::kMalformed,
               {"m holds an infinity"});
  expect_error(measured(1, 2, {NAN, 1.0f}), ErrorCode::kMalformed, {"m holds"});
  MemoryWeights packed;
  packed.set_view("m", PackedMatrixView{.layout = {16, 64, 3, 64}, .blocks = {}});
  expect_error(measure_matrix(matrix_spec(16, 64), packed, 1), ErrorCode::kInvalidArgument,
               {"m is packed", "original"});
}

/// Counts how many matrices are used and not yet released.
class CountingWeights final : public models::WeightSource {
 public:
  explicit CountingWeights(const MemoryWeights& weights) : weights_(weights) {}
  [[nodiscard]] Result<models::WeightView> matrix(const MatrixSpec& spec) const override {
    used_.insert(spec.name);
    most_ = std::max(most_, used_.size());
    return weights_.matrix(spec);
  }
  [[nodiscard]] Result<std::vector<float>> vector(const VectorSpec& spec) const override {
    return weights_.vector(spec);
  }
  void release(const MatrixSpec& spec) const override { used_.erase(spec.name); }
  [[nodiscard]] std::size_t most() const { return most_; }
  [[nodiscard]] std::size_t used() const { return used_.size(); }

 private:
  const MemoryWeights& weights_;
  mutable std::set<std::string> used_{};
  mutable std::size_t most_ = 0;
};

TEST(WeightStatistics, StreamsOneMatrixAtATime) {
  const ModelSpec spec = small_spec();
  const MemoryWeights weights = random_weights(spec, 1);
  const CountingWeights counting(weights);
  std::uint64_t done = 0, total = 0;
  const auto found =
      measure_weights(spec, counting, nullptr, 2, [&](const base::Progress& progress) {
        EXPECT_GT(progress.done_units, done);
        done = progress.done_units;
        total = progress.total_units;
      });
  ASSERT_TRUE(found) << sentence(found);
  EXPECT_EQ(found->matrices.size(), compressible_matrices(spec).size());
  EXPECT_EQ(found->routers.size(), spec.layers.size());
  EXPECT_EQ(counting.most(), 1u);
  EXPECT_EQ(counting.used(), 0u);
  EXPECT_EQ(done, total);
}

/// All routers replaced: row e is (values[e], 0, …).
MemoryWeights with_routers(const ModelSpec& spec, const std::vector<float>& values) {
  MemoryWeights weights = random_weights(spec, 1);
  for (const LayerSpec& layer : spec.layers) {
    const MatrixSpec& router = layer.moe->router.matrix;
    std::vector<float> rows(router.out_features * router.in_features, 0.0f);
    for (std::size_t e = 0; e < values.size(); ++e) rows[e * router.in_features] = values[e];
    weights.set(router.name, DType::kF32, {router.out_features, router.in_features}, rows);
  }
  return weights;
}

TEST(WeightStatistics, RouterNormsCentresAndChanges) {
  const ModelSpec spec = small_spec();
  const MemoryWeights before = with_routers(spec, {1, -1, 2, 0});
  const MemoryWeights after = with_routers(spec, {3, 1, -2, 6});
  const auto initial = read_routers(spec, before);
  ASSERT_TRUE(initial) << sentence(initial);
  const auto found = measure_routers(spec, after, &*initial);
  ASSERT_TRUE(found) << sentence(found);
  const RouterStatistics& router = found->at(1);
  EXPECT_EQ(router.norms, (std::vector<double>{3, 1, 2, 6}));
  EXPECT_EQ(router.norm_changes, (std::vector<double>{2, 0, 0, 6}));
  EXPECT_EQ(router.centred_norms, (std::vector<double>{1, 1, 4, 4}));  // mean row is 2
  EXPECT_TRUE(measure_routers(spec, after, nullptr)->at(0).norm_changes.empty());
}

TEST(WeightStatistics, InitialRoutersMustFit) {
  const ModelSpec spec = small_spec();
  const MemoryWeights weights = random_weights(spec, 1);
  RouterMatrices initial = read_routers(spec, weights).value();
  const std::string name = spec.layers[1].moe->router.matrix.name;
  initial[name].pop_back();
  expect_error(measure_routers(spec, weights, &initial), ErrorCode::kInvalidArgument,
               {name, "127 weights", "[4, 32]"});
  initial.erase(name);
  expect_error(measure_routers(spec, weights, &initial), ErrorCode::kInvalidArgument,
               {"have no", name});
}

}  // namespace
}  // namespace trine::plan
