#include "eval/estimate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/random.h"

namespace trine::eval {
namespace {

TEST(MeanOfClusters, AgreesWithAHandComputation) {
  const std::vector<ClusterSum> clusters = {{2.0, 1.0}, {6.0, 3.0}, {4.0, 4.0}};
  const Estimate estimate = mean_of_clusters(clusters);
  // Mean 12 / 8; deviations from 1.5 · count: 0.5, 1.5, −2; squares 6.5, times 3 / 2.
  EXPECT_DOUBLE_EQ(estimate.value, 1.5);
  EXPECT_DOUBLE_EQ(estimate.standard_error, std::sqrt(9.75) / 8.0);
}

TEST(MeanOfClusters, OfSingleSamplesHasTheUsualStandardError) {
  base::Random random(1);
  constexpr int kSamples = 50;
  std::vector<ClusterSum> clusters;
  double sum = 0.0;
  for (int i = 0; i < kSamples; ++i) {
    clusters.push_back({random.normal(), 1.0});
    sum += clusters.back().sum;
  }
  const double mean = sum / kSamples;
  double squares = 0.0;
  for (const ClusterSum& cluster : clusters) squares += std::pow(cluster.sum - mean, 2);
  const double usual = std::sqrt(squares / (kSamples - 1) / kSamples);
  const Estimate estimate = mean_of_clusters(clusters);
  // Sums of 50 doubles of size 1 in the same order: a few hundred double roundings at most.
  EXPECT_NEAR(estimate.value, mean, 1e-13);
  EXPECT_NEAR(estimate.standard_error, usual, 1e-13);
}

TEST(MeanOfClusters, CountsClustersNotSamples) {
  // Ten clusters whose samples all agree: 10 draws, however large the clusters.
  std::vector<ClusterSum> small, large;
  for (int i = 0; i < 10; ++i) {
    const double value = i % 2;
    small.push_back({value, 1.0});
    large.push_back({value * 1024.0, 1024.0});
  }
  EXPECT_DOUBLE_EQ(mean_of_clusters(large).value, 0.5);
  EXPECT_DOUBLE_EQ(mean_of_clusters(large).standard_error,
                   mean_of_clusters(small).standard_error);
  EXPECT_GT(mean_of_clusters(small).standard_error, 0.1);
}

TEST(MeanOfClusters, OfEqualClustersIsCertain) {
  const std::vector<ClusterSum> clusters = {{2.0, 1.0}, {4.0, 2.0}, {8.0, 4.0}};
  EXPECT_EQ(mean_of_clusters(clusters).standard_error, 0.0);
}

TEST(MeanOfClusters, OfOneClusterHasNoStandardError) {
  const std::vector<ClusterSum> clusters = {{3.0, 4.0}};
  EXPECT_EQ(mean_of_clusters(clusters).value, 0.75);
  EXPECT_EQ(mean_of_clusters(clusters).standard_error, 0.0);
}

// Wilson's interval of 8 in 10, from any table: 0.490 to 0.943.
TEST(ShareInterval, OfIndependentDrawsIsWilsons) {
  const Estimate share{0.8, std::sqrt(0.8 * 0.2 / 10.0)};
  const Interval interval = share_interval(share, 10);
  EXPECT_NEAR(interval.low, 0.4902, 1e-4);
  EXPECT_NEAR(interval.high, 0.9433, 1e-4);
}

// Full agreement of n draws: 1 / (1 + z² / n) to 1.
TEST(ShareInterval, FullAgreementIsNoPoint) {
  const Interval interval = share_interval({1.0, 0.0}, 16);
  EXPECT_NEAR(interval.low, 1.0 / (1.0 + 3.8415 / 16.0), 1e-4);
  EXPECT_DOUBLE_EQ(interval.high, 1.0);
}

}  // namespace
}  // namespace trine::eval
