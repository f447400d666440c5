#include "eval/window_sums.h"

#include <algorithm>
#include <cmath>

namespace trine::eval {
namespace {

Estimate estimate(const Tally& tally, ClusterSum WindowSums::*member) {
  std::vector<ClusterSum> clusters;
  for (const WindowSums& sums : tally.windows) clusters.push_back(sums.*member);
  return mean_of_clusters(clusters);
}

Estimate perplexity_of(const Estimate& nll) {
  const double perplexity = std::exp(nll.value);
  return {perplexity, perplexity * nll.standard_error};
}

Fidelity fidelity_of(const Tally& tally, bool has_split) {
  Fidelity fidelity{
      .kl_divergence = estimate(tally, &WindowSums::kl_divergence),
      .top1_agreement = estimate(tally, &WindowSums::same_top1),
      .routing_agreement = estimate(tally, &WindowSums::same_experts),
      .original_perplexity = perplexity_of(estimate(tally, &WindowSums::original_nll))};
  if (has_split) {
    fidelity.split = {estimate(tally, &WindowSums::expert_divergence),
                      estimate(tally, &WindowSums::routing_divergence)};
  }
  fidelity.top1_interval = share_interval(fidelity.top1_agreement, tally.windows.size());
  // NaN sorts last here, so that a broken model shows in both figures.
  std::vector<double> sorted = tally.divergences;
  std::sort(sorted.begin(), sorted.end(), [](double left, double right) {
    return std::isnan(right) ? !std::isnan(left) : left < right;
  });
  const std::size_t rank = (99 * sorted.size() + 99) / 100;  // ⌈0.99 n⌉
  fidelity.kl_divergence_99 = sorted[rank - 1];
  fidelity.largest_kl_divergence = sorted.back();
  return fidelity;
}

}  // namespace

void Tally::append(const Tally& other) {
  windows.insert(windows.end(), other.windows.begin(), other.windows.end());
  divergences.insert(divergences.end(), other.divergences.begin(), other.divergences.end());
}

TextFigures figures_of(const Tally& tally, bool has_split) {
  TextFigures figures{.num_windows = tally.windows.size()};
  figures.nll = estimate(tally, &WindowSums::nll);
  for (const WindowSums& sums : tally.windows) {
    figures.num_scored += static_cast<std::size_t>(sums.nll.count);
  }
  figures.perplexity = perplexity_of(figures.nll);
  if (!tally.divergences.empty()) figures.fidelity = fidelity_of(tally, has_split);
  return figures;
}

}  // namespace trine::eval
