#include "eval/estimate.h"

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

}  // namespace trine::eval
