// Buckets of distances worked out by hand, and whose they are.
#include "runtime/relative_bias.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "support/expect_error.h"
#include "support/memory_weights.h"

namespace trine::runtime {
namespace {

using testing_support::expect_error;
using testing_support::MemoryWeights;
using testing_support::sentence;

/// {distance, bucket}
using Pairs = std::vector<std::pair<std::size_t, std::size_t>>;

void expect_buckets(std::size_t num_buckets, std::size_t max_distance, const Pairs& pairs) {
  for (const auto& [distance, bucket] : pairs) {
    EXPECT_EQ(distance_bucket(distance, num_buckets, max_distance), bucket) << distance;
  }
}

TEST(DistanceBucket, IsExactNearAndLogarithmicFarAway) {
  // From 4 on: 4 + ⌊4 · ln(d / 4) / ln 5⌋. At 6 that is 4 + ⌊1.008⌋, at 9 4 + ⌊2.016⌋, at 14
  // 4 + ⌊3.114⌋; one less at 5 (0.555), 8 (1.723) and 13 (2.929).
  expect_buckets(8, 20,
                 {{0, 0},
                  {1, 1},
                  {3, 3},
                  {4, 4},
                  {5, 4},
                  {6, 5},
                  {8, 5},
                  {9, 6},
                  {13, 6},
                  {14, 7},
                  {19, 7},
                  {20, 7},
                  {1000, 7}});
}

TEST(DistanceBucket, OfTheReleasedModelsDecoder) {
  // 16 + ⌊16 · ln(d / 16) / ln 8⌋: 1.322 at 19, 5.333 at 32, 10.667 at 64, 14.97 at 112.
  expect_buckets(32, 128,
                 {{15, 15},
                  {16, 16},
                  {18, 16},
                  {19, 17},
                  {32, 21},
                  {64, 26},
                  {112, 30},
                  {113, 31},
                  {128, 31}});
}

TEST(DistanceBucket, OfOneDirectionOfTheReleasedModelsEncoder) {
  // 8 + ⌊8 · ln(d / 8) / ln 16⌋: powers of two begin buckets, exactly 2, 4 and 6 at 16, 32, 64.
  expect_buckets(16, 128,
                 {{7, 7},
                  {8, 8},
                  {15, 9},
                  {16, 10},
                  {31, 11},
                  {32, 12},
                  {63, 13},
                  {64, 14},
                  {90, 14},
                  {91, 15},
                  {500, 15}});
}

class RelativeBiasTest : public testing::Test {
 protected:
  /// Value of bucket b in head h: 10 · h + b.
  RelativeBiasTest() {
    std::vector<float> values;
    for (std::size_t bucket = 0; bucket < 8; ++bucket) {
      for (std::size_t head = 0; head < 2; ++head) {
        values.push_back(static_cast<float>(10 * head + bucket));
      }
    }
    source_.set("bias", DType::kBF16, {8, 2}, values);
  }
  [[nodiscard]] Result<RelativeBias> load(bool is_causal) const {
    const RelativeBiasSpec spec{.table = {.name = "bias", .out_features = 8, .in_features = 2},
                                .num_buckets = 8,
                                .max_distance = 20};
    return RelativeBias::load(spec, is_causal, source_, *kernels::runnable_tables().front());
  }

  MemoryWeights source_;
};

TEST_F(RelativeBiasTest, LooksBackWithAllBuckets) {
  const auto bias = load(true);
  ASSERT_TRUE(bias.has_value()) << sentence(bias);
  // Query 30, keys 9 to 30: distances 21 … 0.
  std::vector<float> scores(22, 100.0f);
  bias->add(0, 30, 9, scores.size(), scores.data());
  EXPECT_EQ(scores, (std::vector<float>{107, 107, 107, 107, 107, 107, 107, 107,  // 21 … 14
                                        106, 106, 106, 106, 106,                 // 13 … 9
                                        105, 105, 105, 104, 104,                 // 8 … 4
                                        103, 102, 101, 100}));
  bias->add(1, 30, 30, 1, scores.data());
  EXPECT_EQ(scores[0], 117.0f);  // head 1, distance 0
}

TEST_F(RelativeBiasTest, TellsKeysAfterTheQueryFromThoseBefore) {
  const auto bias = load(false);
  ASSERT_TRUE(bias.has_value()) << sentence(bias);
  // Four buckets a direction, two of them exact: from 2 on 2 + ⌊2 · ln(d / 2) / ln 10⌋, which is 3
  // from 7 on (1.088; 0.954 at 6). Keys after the query have 4 more.
  std::vector<float> scores(16, 0.0f);
  bias->add(1, 8, 0, scores.size(), scores.data());
  EXPECT_EQ(scores, (std::vector<float>{13, 13, 12, 12, 12, 12, 12, 11,  // distances 8 … 1
                                        10,                              // itself
                                        15, 16, 16, 16, 16, 16, 17}));   // 1 … 7
}

TEST_F(RelativeBiasTest, RefusesATableThatIsMissingOrPacked) {
  const std::vector<std::uint8_t> bytes(1);
  source_.set_view("bias", PackedMatrixView{{8, 2, 4, 32}, bytes});
  expect_error(load(true), ErrorCode::kMalformed, {"bias", "packed"});
  source_.remove("bias");
  expect_error(load(true), ErrorCode::kNotFound, {"bias"});
}

}  // namespace
}  // namespace trine::runtime
