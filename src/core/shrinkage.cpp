#include "core/shrinkage.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include "base/result.h"

namespace trine {
namespace {

/// Layer, and whether the inputs are those of down_proj.
using PoolKey = std::pair<std::size_t, bool>;

bool is_full(const SiteStatistics& moments, std::size_t in_features) {
  return moments.second_moments.size() == in_features &&
         moments.moment_blocks.size() == moment_block_values(in_features, moments.block_size);
}

const SiteStatistics& seen_at(const InputSite& site, const ModelStatistics& statistics) {
  const auto found = statistics.sites.find(site.name);
  check(found != statistics.sites.end() && is_full(found->second, site.in_features),
        "shrunk_statistics: the statistics are of another model");
  return found->second;
}

SiteStatistics unseen_like(const SiteStatistics& other) {
  return {.second_moments = std::vector<double>(other.second_moments.size()),
          .block_size = other.block_size,
          .moment_blocks = std::vector<float>(other.moment_blocks.size())};
}

/// target = (own_weight · target + other_weight · other) / (own_weight + other_weight)
void mix(SiteStatistics& target, double own_weight, const SiteStatistics& other,
         double other_weight) {
  const double own_share = own_weight / (own_weight + other_weight);
  const double other_share = other_weight / (own_weight + other_weight);
  for (std::size_t i = 0; i < target.second_moments.size(); ++i) {
    target.second_moments[i] =
        own_share * target.second_moments[i] + other_share * other.second_moments[i];
  }
  for (std::size_t i = 0; i < target.moment_blocks.size(); ++i) {
    target.moment_blocks[i] = static_cast<float>(own_share * target.moment_blocks[i] +
                                                 other_share * other.moment_blocks[i]);
  }
}

/// Calls visit(channel, index into moment_blocks) for the diagonal of every block.
template <class Visit>
void for_each_diagonal(std::size_t in_features, std::size_t block_size, const Visit& visit) {
  std::size_t first_value = 0;
  for (std::size_t first = 0; first < in_features; first += block_size) {
    const std::size_t width = std::min(block_size, in_features - first);
    for (std::size_t i = 0; i < width; ++i) visit(first + i, first_value + i * (width + 1));
    first_value += width * width;
  }
}

/// Every input alike: the identity.
void set_alike(SiteStatistics& moments) {
  std::fill(moments.second_moments.begin(), moments.second_moments.end(), 1.0);
  std::fill(moments.moment_blocks.begin(), moments.moment_blocks.end(), 0.0f);
  if (moments.block_size == 0) return;
  for_each_diagonal(
      moments.second_moments.size(), moments.block_size,
      [&](std::size_t, std::size_t value) { moments.moment_blocks[value] = 1.0f; });
}

/// Lifts dead channels; a site that saw nothing but zeros becomes the identity.
void apply_floor(SiteStatistics& moments) {
  std::vector<double>& diagonal = moments.second_moments;
  const double sum = std::accumulate(diagonal.begin(), diagonal.end(), 0.0);
  const double floor = kChannelFloor * sum / static_cast<double>(diagonal.size());
  if (!(floor > 0.0)) return set_alike(moments);
  // Added, not overwritten: a positive diagonal on top of E[x xᵀ] keeps it positive.
  if (moments.block_size > 0) {
    for_each_diagonal(diagonal.size(), moments.block_size,
                      [&](std::size_t channel, std::size_t value) {
                        const double lift = std::max(0.0, floor - diagonal[channel]);
                        moments.moment_blocks[value] += static_cast<float>(lift);
                      });
  }
  for (double& moment : diagonal) moment = std::max(moment, floor);
}

std::map<PoolKey, SiteStatistics> pool_experts(const std::vector<InputSite>& sites,
                                               const ModelStatistics& statistics) {
  std::map<PoolKey, SiteStatistics> pools;
  for (const InputSite& site : sites) {
    if (!site.expert) continue;
    const SiteStatistics& own = seen_at(site, statistics);
    const PoolKey key{site.layer, site.is_expert_output};
    if (!pools.contains(key)) pools.emplace(key, unseen_like(own));
    SiteStatistics& pool = pools.at(key);
    check(is_full(pool, site.in_features) && pool.block_size == own.block_size,
          "shrunk_statistics: experts of one layer differ in size");
    if (own.tokens == 0) continue;
    mix(pool, static_cast<double>(pool.tokens), own, static_cast<double>(own.tokens));
    pool.tokens += own.tokens;
  }
  return pools;
}

}  // namespace

ModelStatistics shrunk_statistics(const ModelStatistics& statistics, const ModelSpec& spec) {
  const std::vector<InputSite> sites = input_sites(spec);
  const std::map<PoolKey, SiteStatistics> pools = pool_experts(sites, statistics);
  ModelStatistics shrunk{.tokens = statistics.tokens, .routing = statistics.routing};
  for (const InputSite& site : sites) {
    SiteStatistics moments = seen_at(site, statistics);
    if (site.expert) {
      const SiteStatistics& pool = pools.at({site.layer, site.is_expert_output});
      if (pool.tokens > 0) mix(moments, static_cast<double>(moments.tokens), pool, kPoolTokens);
    }
    apply_floor(moments);
    shrunk.sites.emplace(site.name, std::move(moments));
  }
  return shrunk;
}

}  // namespace trine
