#include "eval/kernel_figures.h"

#include <gtest/gtest.h>

#include "eval/timing.h"

namespace trine::eval {
namespace {

KernelRow row_of(std::size_t out, std::size_t in, std::size_t batch, int threads) {
  KernelRow row;
  row.shape = {out, in};
  row.batch = batch;
  row.threads = threads;
  row.stored_bytes = 3000;
  return row;
}

TEST(Quantile, LiesBetweenNeighbours) {
  EXPECT_DOUBLE_EQ(median({3.0, 1.0, 2.0}), 2.0);
  EXPECT_DOUBLE_EQ(median({4.0, 1.0, 2.0, 3.0}), 2.5);
  EXPECT_DOUBLE_EQ(quantile({0.0, 10.0}, 0.25), 2.5);
  EXPECT_DOUBLE_EQ(quantile({7.0}, 0.75), 7.0);
  // Quartiles of 1 … 5 are 2 and 4, the median 3.
  EXPECT_DOUBLE_EQ(relative_spread({5.0, 3.0, 1.0, 4.0, 2.0}), 2.0 / 3.0);
}

TEST(KernelFigures, FollowFromTheMedianRun) {
  KernelRow row = row_of(100, 200, 4, 2);
  set_figures({.seconds = {1e-6, 2e-6, 8e-6},
               .reads = {4e9, 2e9, 1e9, 1e9},
               .clock_hertz = 2e9,
               .peak_per_second = 640e9},
              2, row);
  EXPECT_EQ(row.runs, 3u);
  EXPECT_DOUBLE_EQ(row.seconds, 2e-6);
  EXPECT_DOUBLE_EQ(row.spread, (5e-6 - 1.5e-6) / 2e-6);
  EXPECT_DOUBLE_EQ(row.bytes_per_second, 1.5e9);
  EXPECT_DOUBLE_EQ(row.read_bandwidth, 1.5e9);
  // Each run beside the mean of the reads around it: 3 of 3, 1.5 of 1.5, 0.375 of 1 GB/s.
  EXPECT_DOUBLE_EQ(row.read_share, 1.0);
  // 20000 weights in 2 µs are 4000 clocks; two threads.
  EXPECT_DOUBLE_EQ(row.weights_per_clock, 2.5);
  // Two operations for each of 20000 weights, 4 tokens and 2 digits: 320000 in 2 µs.
  EXPECT_DOUBLE_EQ(row.operations_per_second, 160e9);
  EXPECT_DOUBLE_EQ(row.peak_share, 0.25);
}

TEST(KernelFigures, CompareWithNothingWhatHasNoLimit) {
  KernelRow row = row_of(16, 64, 1, 1);
  set_figures({.seconds = {1e-6}, .clock_hertz = 1e9}, 1, row);
  EXPECT_EQ(row.read_share, 0.0);
  EXPECT_EQ(row.peak_share, 0.0);
  EXPECT_EQ(row.spread, 0.0);
  EXPECT_DOUBLE_EQ(row.operations_per_second, 2.0 * 1024.0 / 1e-6);
}

}  // namespace
}  // namespace trine::eval
