// Sums of squares and products against sums written out in double.
#include "calibrate/moments.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "support/expect_error.h"
#include "support/random_matrices.h"

namespace trine::calibrate {
namespace {

using testing_support::expect_error;
using testing_support::random_normal;

/// Adds inputs [tokens, in_features] in batches of the given sizes.
SiteStatistics moments_of(const std::vector<float>& inputs, std::size_t in_features,
                          std::size_t block_size, const std::vector<std::size_t>& batches,
                          int threads = 1) {
  MomentSums sums(in_features, block_size);
  std::size_t first = 0;
  for (const std::size_t count : batches) {
    sums.add(inputs.data() + first * in_features, count, threads);
    first += count;
  }
  return sums.take();
}

TEST(Moments, AreMeansOfSquaresAndProducts) {
  constexpr std::size_t kTokens = 700, kInputs = 300;
  const auto inputs = random_normal(kTokens * kInputs, 1);
  for (const std::size_t block_size : {0ul, 128ul, 300ul}) {
    const SiteStatistics found = moments_of(inputs, kInputs, block_size, {1, 299, 400});
    EXPECT_EQ(found.tokens, kTokens);
    ASSERT_EQ(found.second_moments.size(), kInputs);
    ASSERT_EQ(found.moment_blocks.size(), moment_block_values(kInputs, block_size));
    std::size_t value = 0;
    for (std::size_t first = 0; first < kInputs;
         first += std::max(block_size, std::size_t{1})) {
      const std::size_t width = std::min(std::max(block_size, std::size_t{1}), kInputs - first);
      for (std::size_t i = 0; i < width; ++i) {
        for (std::size_t j = 0; j < width; ++j) {
          double sum = 0.0, magnitude = 0.0;
          for (std::size_t token = 0; token < kTokens; ++token) {
            const double product = double{inputs[token * kInputs + first + i]} *
                                   double{inputs[token * kInputs + first + j]};
            sum += product;
            magnitude += std::abs(product);
          }
          // The same sum in the same order, of exact squares.
          if (i == j) {
            EXPECT_EQ(found.second_moments[first + i], sum / kTokens);
          }
          if (block_size == 0) continue;
          // fp32 sums of at most 256 products, then one rounding to fp32.
          const double tolerance = (MomentSums::kChunkTokens + 1) * 0x1p-24 * magnitude;
          EXPECT_NEAR(found.moment_blocks[value + i * width + j] * double{kTokens}, sum,
                      tolerance);
          EXPECT_EQ(found.moment_blocks[value + i * width + j],
                    found.moment_blocks[value + j * width + i]);
        }
      }
      value += width * width;
    }
  }
}

TEST(Moments, DoNotDependOnTheNumberOfThreads) {
  constexpr std::size_t kTokens = 3000, kInputs = 520;
  const auto inputs = random_normal(kTokens * kInputs, 2);
  for (const std::size_t block_size : {128ul, 520ul}) {
    const auto one = moments_of(inputs, kInputs, block_size, {2000, 1000}, 1);
    for (const int threads : {2, 5}) {
      const auto several = moments_of(inputs, kInputs, block_size, {2000, 1000}, threads);
      EXPECT_EQ(several.second_moments, one.second_moments);
      EXPECT_EQ(several.moment_blocks, one.moment_blocks);
    }
  }
}

TEST(Moments, OfNothingAreZero) {
  const SiteStatistics nothing = MomentSums(10, 4).take();
  EXPECT_EQ(nothing.tokens, 0u);
  EXPECT_EQ(nothing.second_moments, std::vector<double>(10));
  EXPECT_EQ(nothing.moment_blocks, std::vector<float>(4 * 4 + 4 * 4 + 2 * 2));
}

TEST(Moments, AreKnownByName) {
  for (const char* name : {"diagonal", "blocks", "full"}) {
    EXPECT_EQ(name_of(moment_kind_named(name).value()), name);
  }
  expect_error(moment_kind_named("diagonals"), ErrorCode::kInvalidArgument,
               {"diagonals", "blocks", "full"});
  const std::vector<InputSite> sites = {{.name = "a", .in_features = 200}};
  EXPECT_EQ(moment_bytes(sites, MomentKind::kDiagonal), 8u * 200);
  EXPECT_EQ(moment_bytes(sites, MomentKind::kBlocks), 8u * (200 + 128 * 128 + 72 * 72));
  EXPECT_EQ(moment_bytes(sites, MomentKind::kFull), 8u * (200 + 200 * 200));
}

}  // namespace
}  // namespace trine::calibrate
