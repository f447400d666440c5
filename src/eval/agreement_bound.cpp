#include "eval/agreement_bound.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

namespace trine::eval {
namespace {

/// Halvings of [0, 1]: to 1e-12, and the lower end is given back.
constexpr int kHalvings = 40;

/// Largest value known to be refuted; `is_refuted` holds below some value and not above.
double largest_refuted(const std::function<bool(double)>& is_refuted) {
  double low = 0.0, high = 1.0;
  for (int i = 0; i < kHalvings; ++i) {
    const double middle = 0.5 * (low + high);
    (is_refuted(middle) ? low : high) = middle;
  }
  return low;
}

/// P(at least k of n) for independent trials of chance q in (0, 1).
double upper_tail(std::uint64_t k, std::uint64_t n, double q) {
  const auto trials = static_cast<double>(n);
  double sum = 0.0;
  for (std::uint64_t i = k; i <= n; ++i) {
    const auto count = static_cast<double>(i);
    sum += std::exp(std::lgamma(trials + 1.0) - std::lgamma(count + 1.0) -
                    std::lgamma(trials - count + 1.0) + count * std::log(q) +
                    (trials - count) * std::log1p(-q));
  }
  return sum;
}

/// Stakes from running variances, known before each share is seen.
std::vector<double> stakes_for(std::span<const double> shares, double probability) {
  std::vector<double> stakes;
  // Half an observation at ½ with the largest variance there is: the first stake is careful.
  double count = 1.0, sum = 0.5, squares = 0.25;
  const double budget = 2.0 * std::log(1.0 / probability) / static_cast<double>(shares.size());
  for (const double share : shares) {
    stakes.push_back(std::sqrt(budget * count / squares));
    count += 1.0;
    sum += share;
    const double distance = share - sum / count;
    squares += distance * distance;
  }
  return stakes;
}

}  // namespace

void AgreementTally::add(const std::vector<bool>& agrees, std::size_t first, std::size_t count,
                         base::Random& draws) {
  const auto begin = agrees.begin() + static_cast<std::ptrdiff_t>(first);
  const auto agreeing = std::count(begin, begin + static_cast<std::ptrdiff_t>(count), true);
  shares.push_back(static_cast<double>(agreeing) / static_cast<double>(count));
  if (agrees[first + draws.next() % count]) ++drawn_agreeing;
}

double AgreementTally::mean() const noexcept {
  if (shares.empty()) return 0.0;
  return std::accumulate(shares.begin(), shares.end(), 0.0) /
         static_cast<double>(shares.size());
}

double binomial_lower_bound(std::uint64_t successes, std::uint64_t trials, double probability) {
  if (successes == 0) return 0.0;
  return largest_refuted(
      [&](double chance) { return upper_tail(successes, trials, chance) <= probability; });
}

double hoeffding_lower_bound(double mean, std::size_t count, double probability) {
  if (count == 0) return 0.0;
  const double radius =
      std::sqrt(std::log(1.0 / probability) / (2.0 * static_cast<double>(count)));
  return std::max(0.0, mean - radius);
}

double betting_lower_bound(std::span<const double> shares, double probability) {
  if (shares.empty()) return 0.0;
  // Never more than this share of the capital at risk, so that it stays positive.
  constexpr double kMostAtRisk = 0.9;
  const std::vector<double> stakes = stakes_for(shares, probability);
  const double needed = std::log(1.0 / probability);
  // Every factor falls as m grows, and so does the largest capital: one crossing.
  return largest_refuted([&](double mean) {
    double capital = 0.0;  // its logarithm
    for (std::size_t i = 0; i < shares.size(); ++i) {
      capital += std::log1p(std::min(stakes[i], kMostAtRisk / mean) * (shares[i] - mean));
      if (capital >= needed) return true;
    }
    return false;
  });
}

}  // namespace trine::eval
