#include "calibrate/merge.h"

#include "base/result.h"

namespace trine::calibrate {
namespace {

void merge_site(SiteStatistics& target, const SiteStatistics& other) {
  check(target.second_moments.size() == other.second_moments.size() &&
            target.moment_blocks.size() == other.moment_blocks.size() &&
            target.block_size == other.block_size,
        "merge_into: moments of different sizes");
  if (other.tokens == 0) return;
  const std::uint64_t tokens = target.tokens + other.tokens;
  // Sums first: with as many tokens as a double counts exactly, mean · tokens is the sum again
  // but for one rounding.
  const auto merged = [&, own = static_cast<double>(target.tokens),
                       added = static_cast<double>(other.tokens),
                       all = static_cast<double>(tokens)](double a, double b) {
    return (a * own + b * added) / all;
  };
  for (std::size_t i = 0; i < target.second_moments.size(); ++i) {
    target.second_moments[i] = merged(target.second_moments[i], other.second_moments[i]);
  }
  for (std::size_t i = 0; i < target.moment_blocks.size(); ++i) {
    target.moment_blocks[i] = static_cast<float>(
        merged(double{target.moment_blocks[i]}, double{other.moment_blocks[i]}));
  }
  target.tokens = tokens;
}

void merge_routing(RoutingStatistics& target, const RoutingStatistics& other) {
  check(target.expert_counts.size() == other.expert_counts.size(),
        "merge_into: layers with different numbers of experts");
  target.tokens += other.tokens;
  for (std::size_t expert = 0; expert < target.expert_counts.size(); ++expert) {
    target.expert_counts[expert] += other.expert_counts[expert];
    target.weight_sums[expert] += other.weight_sums[expert];
  }
}

}  // namespace

void merge_into(ModelStatistics& target, const ModelStatistics& other) {
  check(target.sites.size() == other.sites.size() &&
            target.routing.size() == other.routing.size(),
        "merge_into: statistics of different models");
  target.tokens += other.tokens;
  for (auto& [name, site] : target.sites) merge_site(site, other.sites.at(name));
  for (auto& [layer, routing] : target.routing) {
    merge_routing(routing, other.routing.at(layer));
  }
}

}  // namespace trine::calibrate
