// Repeated measurements of time and what is said of them.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <vector>

namespace trine::eval {

using Clock = std::chrono::steady_clock;

[[nodiscard]] inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Seconds one call takes; never 0, so rates stay finite.
template <class Work>
[[nodiscard]] double seconds_of(const Work& work) {
  const auto start = Clock::now();
  work();
  return std::max(seconds_since(start), 1e-9);
}

/// Shortest of several calls: for work that only a disturbance can make slower.
template <class Work>
[[nodiscard]] double shortest_seconds(int calls, const Work& work) {
  double shortest = seconds_of(work);
  for (int call = 1; call < calls; ++call) shortest = std::min(shortest, seconds_of(work));
  return shortest;
}

/// The value below which `share` of the values lie, between neighbours linearly. @param values not
/// empty.
[[nodiscard]] inline double quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  const double place = share * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
}

[[nodiscard]] inline double median(const std::vector<double>& values) {
  return quantile(values, 0.5);
}

/// (third − first quartile) / median: half of the values lie within it.
[[nodiscard]] inline double relative_spread(const std::vector<double>& values) {
  return (quantile(values, 0.75) - quantile(values, 0.25)) / median(values);
}

}  // namespace trine::eval
