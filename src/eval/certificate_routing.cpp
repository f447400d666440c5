// What is proven about routing, and what the experts make of it.
#include <algorithm>
#include <cmath>

#include "eval/certificate_bounds.h"
#include "eval/certificate_walk.h"
#include "runtime/routing.h"

namespace trine::eval {
namespace {

std::vector<std::int32_t> chosen_of(const runtime::Routing& routing, std::size_t token) {
  const auto begin =
      routing.experts.begin() + static_cast<std::ptrdiff_t>(token * routing.experts_per_token);
  std::vector<std::int32_t> chosen(
      begin, begin + static_cast<std::ptrdiff_t>(routing.experts_per_token));
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

std::vector<float> router_logits(runtime::Compute& compute, const LayerPair& layer,
                                 const std::vector<float>& inputs, std::size_t tokens) {
  std::vector<float> logits(tokens * layer.rule.matrix.out_features);
  runtime::multiply(compute,
                    std::array{runtime::LinearCall{&layer.router.linear, logits.data()}},
                    inputs.data(), tokens);
  return logits;
}

/// ‖row a − row b‖ of all pairs of experts.
std::vector<double> distances_of(const DecidingMatrix& router, std::size_t num_experts) {
  std::vector<double> distances(num_experts * num_experts);
  for (std::size_t a = 0; a < num_experts; ++a) {
    for (std::size_t b = 0; b < num_experts; ++b) {
      distances[a * num_experts + b] = router.distance(a, b);
    }
  }
  return distances;
}

/// True when no expert outside can overtake a chosen one: every gap exceeds what it can change by.
bool is_routing_certified(const DecidingMatrix& router, const std::vector<double>& distances,
                          const float* logits, const std::vector<std::int32_t>& chosen,
                          double radius, double input_length) {
  const std::size_t num_experts = router.lengths.size();
  for (const std::int32_t index : chosen) {
    const auto a = static_cast<std::size_t>(index);
    for (std::size_t b = 0; b < num_experts; ++b) {
      if (std::binary_search(chosen.begin(), chosen.end(), static_cast<std::int32_t>(b))) {
        continue;
      }
      const double rounding =
          (router.roundings[a] + router.roundings[b]) * input_length +
          16.0 * kRoundoff * (1.0 + std::abs(double{logits[a]}) + std::abs(double{logits[b]}));
      const double gap = double{logits[a]} - logits[b];
      if (!(gap > distances[a * num_experts + b] * radius + rounding)) return false;
    }
  }
  return true;
}

struct Assignment {
  std::size_t token;
  double weight;
};

/// Tokens of every expert in the order the runtime gives them, or all for a dense layer.
std::vector<std::vector<Assignment>> assignments_of(const LayerPair& layer,
                                                    const runtime::Routing& routing,
                                                    std::size_t tokens) {
  std::vector<std::vector<Assignment>> groups(layer.expert_pairs.size());
  if (!layer.router.linear.exists()) {
    for (std::size_t token = 0; token < tokens; ++token) groups[0].push_back({token, 1.0});
    return groups;
  }
  for (std::size_t slot = 0; slot < routing.experts.size(); ++slot) {
    groups[static_cast<std::size_t>(routing.experts[slot])].push_back(
        {slot / routing.experts_per_token, std::abs(double{routing.weights[slot]})});
  }
  return groups;
}

}  // namespace

void CertificateWalk::decide_routing(std::size_t index) {
  const LayerPair& layer = model_.layers[index];
  const std::size_t tokens = window_of_.size();
  if (!layer.router.linear.exists()) return;
  const std::size_t num_experts = layer.rule.matrix.out_features;
  const BoundedNorm& norm = layer.post_attention_norm;
  const double input_length = norm.largest_output();
  const double longest =
      *std::max_element(layer.router.lengths.begin(), layer.router.lengths.end());
  const double most_rounding =
      *std::max_element(layer.router.roundings.begin(), layer.router.roundings.end());
  const std::vector<double> distances = distances_of(layer.router, num_experts);
  const auto logits = router_logits(compute_, layer, normed(norm, stream_), tokens);
  routing_ = runtime::route(layer.rule, logits, {});
  LayerCertificate& counted = certificate_.layers[index];
  DecisionTally* const tallies[] = {&counted.routing_local, &counted.routing_next,
                                    &counted.routing_full};
  full_certified_.assign(tokens, {});
  full_logit_changes_.assign(tokens, {});
  for (const TrackName track : {kLayer, kNext, kFull}) {
    if (track == kNext && index == 0) continue;  // nothing comes before
    const auto packed_logits =
        router_logits(compute_, layer, normed(norm, tracks_[track].stream), tokens);
    const runtime::Routing packed = runtime::route(layer.rule, packed_logits, {});
    const Radii radii = normed_radii(norm, track, false);
    for (std::size_t token = 0; token < tokens; ++token) {
      const auto chosen = chosen_of(routing_, token);
      std::array<bool, kBoundKinds> certified{};
      for (std::size_t kind = 0; kind < kBoundKinds; ++kind) {
        certified[kind] =
            is_routing_certified(layer.router, distances, logits.data() + token * num_experts,
                                 chosen, radii[token][kind], input_length);
        if (track != kFull) continue;
        full_logit_changes_[token][kind] =
            longest * radii[token][kind] + 2.0 * most_rounding * input_length;
      }
      if (track == kFull) full_certified_[token] = certified;
      if (tallies[track]->add(certified, chosen != chosen_of(packed, token))) flag(token);
    }
  }
}

double CertificateWalk::combine_experts(const LayerPair& layer, TrackName track,
                                        std::size_t token, BoundKind kind,
                                        const ExpertSums& sums) const {
  // Weights in fp32, products and sums, on both sides.
  const double roundings =
      2.0 * static_cast<double>(layer.rule.experts_per_token + 20) * kRoundoff;
  double change = sums.change + roundings * (sums.length + sums.change);
  if (track != kFull) return change;  // the same inputs: the same experts, the same weights
  // Any experts, any weights: what they give is no longer than the longest there is.
  const double input_length = layer.post_attention_norm.largest_output();
  double longest = 0.0;
  for (const ExpertPair& expert : layer.expert_pairs) {
    longest = std::max(longest, largest_expert_output(expert, input_length));
  }
  const bool is_routed = layer.router.linear.exists();
  const double scaling = is_routed ? std::abs(layer.rule.scaling_factor) : 1.0;
  const double anything = scaling * longest * (1.0 + roundings) + sums.length;
  if (!is_routed) return std::min(change, anything);
  if (!full_certified_[token][kind]) return anything;
  // The same experts with other weights: Σ|ŵ − w| is at most what their softmax can change by.
  const double weight_change =
      scaling * softmax_change(full_logit_changes_[token][kind]) + roundings;
  change += weight_change * (sums.largest_length + sums.largest_change);
  return std::min(change, anything);
}

std::vector<Radii> CertificateWalk::bound_experts(const LayerPair& layer,
                                                  const std::vector<float>& inputs,
                                                  std::span<const TrackName> tracks) {
  const std::size_t tokens = window_of_.size();
  std::vector<Radii> moved;
  for (const TrackName track : tracks) {
    moved.push_back(normed_radii(layer.post_attention_norm, track, true));
  }
  std::vector<std::vector<std::array<ExpertSums, kBoundKinds>>> sums(
      tracks.size(), std::vector<std::array<ExpertSums, kBoundKinds>>(tokens));
  const auto groups = assignments_of(layer, routing_, tokens);
  for (std::size_t expert = 0; expert < groups.size(); ++expert) {
    const auto& group = groups[expert];
    if (group.empty()) continue;
    std::vector<float> rows;
    std::vector<Radii> group_moved(tracks.size());
    for (const Assignment& each : group) {
      const auto first = inputs.begin() + static_cast<std::ptrdiff_t>(each.token * hidden_);
      rows.insert(rows.end(), first, first + static_cast<std::ptrdiff_t>(hidden_));
      for (std::size_t set = 0; set < tracks.size(); ++set) {
        group_moved[set].push_back(moved[set][each.token]);
      }
    }
    const ExpertBounds bounds =
        bound_expert(compute_, layer.expert_pairs[expert], rows.data(), group.size(),
                     group_moved, settings_, certificate_.rows);
    for (std::size_t i = 0; i < group.size(); ++i) {
      for (std::size_t set = 0; set < tracks.size(); ++set) {
        for (std::size_t kind = 0; kind < kBoundKinds; ++kind) {
          ExpertSums& sum = sums[set][group[i].token][kind];
          const double change = bounds.changes[set][i][kind];
          sum.change += group[i].weight * change;
          sum.largest_change = std::max(sum.largest_change, change);
          sum.length += group[i].weight * bounds.lengths[i];
          sum.largest_length = std::max(sum.largest_length, bounds.lengths[i]);
        }
      }
    }
  }
  std::vector<Radii> changes(tracks.size(), Radii(tokens));
  for (std::size_t set = 0; set < tracks.size(); ++set) {
    for (std::size_t token = 0; token < tokens; ++token) {
      for (std::size_t kind = 0; kind < kBoundKinds; ++kind) {
        changes[set][token][kind] = combine_experts(
            layer, tracks[set], token, static_cast<BoundKind>(kind), sums[set][token][kind]);
      }
    }
  }
  return changes;
}

}  // namespace trine::eval
