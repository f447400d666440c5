#include "eval/estimate.h"

#include <algorithm>
#include <cmath>

namespace trine::eval {

Estimate mean_of_clusters(std::span<const ClusterSum> clusters) {
  double sum = 0.0;
  double count = 0.0;
  for (const ClusterSum& cluster : clusters) {
    sum += cluster.sum;
    count += cluster.count;
  }
  const double mean = sum / count;
  if (clusters.size() < 2) return {mean, 0.0};
  double squares = 0.0;
  for (const ClusterSum& cluster : clusters) {
    const double deviation = cluster.sum - mean * cluster.count;
    squares += deviation * deviation;
  }
  const auto number = static_cast<double>(clusters.size());
  return {mean, std::sqrt(squares * number / (number - 1.0)) / count};
}

Interval share_interval(const Estimate& share, std::size_t num_clusters) {
  constexpr double kNormal = 1.959963984540054;  // 97.5 % of the normal distribution
  const double p = share.value;
  const double variance = share.standard_error * share.standard_error;
  const double draws =
      variance > 0.0 && p < 1.0 ? p * (1.0 - p) / variance : static_cast<double>(num_clusters);
  const double square = kNormal * kNormal / draws;
  const double center = (p + square / 2.0) / (1.0 + square);
  const double half =
      std::sqrt(p * (1.0 - p) / draws + square / (4.0 * draws)) * kNormal / (1.0 + square);
  return {std::max(0.0, center - half), std::min(1.0, center + half)};
}

}  // namespace trine::eval
