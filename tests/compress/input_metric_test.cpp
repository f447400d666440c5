// Sizes as the outputs see them, against sums written out in double.
#include "compress/input_metric.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/input_moments.h"

namespace trine::compress {
namespace {

constexpr std::size_t kMetricRows = 37,
                      kMetricCols = 150;  // two panels of rows, a short last block

double written_out(const std::vector<float>& a, const std::vector<float>& b,
                   const testing_support::Moments& moments) {
  double sum = 0.0;
  std::size_t start = 0;
  for (std::size_t first = 0; first < kMetricCols; first += moments.block_size) {
    const std::size_t size = std::min(moments.block_size, kMetricCols - first);
    for (std::size_t row = 0; row < kMetricRows; ++row) {
      for (std::size_t i = 0; i < size; ++i) {
        for (std::size_t j = 0; j < size; ++j) {
          sum += static_cast<double>(a[row * kMetricCols + first + i]) *
                 moments.blocks[start + i * size + j] * b[row * kMetricCols + first + j];
        }
      }
    }
    start += size * size;
  }
  return sum;
}

class AnyBlocks : public testing::TestWithParam<std::size_t> {
 protected:
  const testing_support::Moments moments = testing_support::correlated(kMetricCols, GetParam());
  const std::vector<float> a = testing_support::random_normal(kMetricRows * kMetricCols, 1);
  const std::vector<float> b = testing_support::random_normal(kMetricRows * kMetricCols, 2);
};

TEST_P(AnyBlocks, InnerProductsAreTheSumsWrittenOut) {
  const double expected = written_out(a, a, moments);
  // Sums of 150 fp32 products each, relative to the sizes that enter.
  const double tolerance = 150 * std::ldexp(1.0, -24) * expected;
  for (const int threads : {1, 3}) {
    EXPECT_NEAR(inner_product({kMetricRows, kMetricCols, a}, {kMetricRows, kMetricCols, a},
                              moments.view(), threads),
                expected, tolerance);
    EXPECT_NEAR(inner_product({kMetricRows, kMetricCols, a}, {kMetricRows, kMetricCols, b},
                              moments.view(), threads),
                written_out(a, b, moments), 10 * tolerance);
  }
}

TEST_P(AnyBlocks, WhitenedSquaresAreSizesOfOutputs) {
  const InputMetric metric(moments.view(), kMetricCols);
  double squares = 0.0;
  for (const float value : metric.whitened(a, 2)) squares += static_cast<double>(value) * value;
  // Damping adds 1e-4 of the mean diagonal to every direction.
  EXPECT_NEAR(squares / written_out(a, a, moments), 1.0, 1e-3);
}

TEST_P(AnyBlocks, UnwhitenedTakesWhitenedBack) {
  const InputMetric metric(moments.view(), kMetricCols);
  const std::vector<float> back = metric.unwhitened(metric.whitened(a, 2), 2);
  // The condition of a block is below 1e4 with this damping, its root's below 1e2.
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(back[i], a[i], 1e-3) << i;
}

INSTANTIATE_TEST_SUITE_P(All, AnyBlocks, testing::Values(32, 64, kMetricCols));

TEST(InputMetric, DiagonalsMultiplyChannels) {
  const std::vector<float> diagonal = {4.0f, 9.0f}, values = {1.0f, 2.0f, 3.0f, 4.0f};
  const InputMoments moments{diagonal, 0, {}};
  EXPECT_EQ(inner_product({2, 2, values}, {2, 2, values}, moments, 1), 4 + 36 + 36 + 144);
  const InputMetric metric(moments, 2);
  EXPECT_EQ(metric.whitened(values, 1), (std::vector<float>{2.0f, 6.0f, 6.0f, 12.0f}));
  EXPECT_EQ(metric.unwhitened({2.0f, 6.0f, 6.0f, 12.0f}, 1), values);
}

TEST(InputMetric, NothingKnownIsPlain) {
  const std::vector<float> values = {3.0f, 4.0f};
  EXPECT_EQ(inner_product({1, 2, values}, {1, 2, values}, {}, 1), 25.0);
  EXPECT_TRUE(InputMetric({}, 2).is_plain());
  EXPECT_EQ(InputMetric({}, 2).whitened(values, 1), values);
}

}  // namespace
}  // namespace trine::compress
