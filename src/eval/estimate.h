// Means with standard errors.
#pragma once

#include <cstddef>
#include <span>

namespace trine::eval {

struct Estimate {
  double value = 0.0;
  double standard_error = 0.0;
};

/// A sum over some samples that belong together (the tokens of one window).
struct ClusterSum {
  double sum = 0.0;
  double count = 0.0;
};

/// Mean per sample over all clusters. Tokens of one window depend on each other, so the standard
/// error treats windows, not tokens, as the independent draws (ratio estimator, Cochran 1977,
/// section 6.4). 0 when there is only one cluster.
[[nodiscard]] Estimate mean_of_clusters(std::span<const ClusterSum> clusters);

}  // namespace trine::eval
