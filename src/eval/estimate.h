// Means with standard errors.
#pragma once

#include <cstddef>
#include <span>

namespace trine::eval {

struct Estimate {
  double value = 0.0;
  double standard_error = 0.0;
};

struct Interval {
  double low = 0.0;
  double high = 0.0;
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

/// 95 % interval of a share in [0, 1] by Wilson's score method (1927), for as many independent draws
/// as would have the share's standard error: p(1 − p) / se². Where all clusters agree to the last
/// sample, each of the `num_clusters` counts as one draw. Unlike share ± 1.96 se it never leaves
/// [0, 1] and is no point where everything agrees.
[[nodiscard]] Interval share_interval(const Estimate& share, std::size_t num_clusters);

}  // namespace trine::eval
