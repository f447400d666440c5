// What a layer's experts make of a change: each expert's bounds, weighted and summed.
#include <algorithm>
#include <cmath>

#include "eval/certificate_bounds.h"
#include "eval/certificate_walk.h"
#include "runtime/routing.h"

namespace trine::eval {
namespace {

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

std::vector<double> CertificateWalk::shared_gates(const LayerPair& layer,
                                                  const std::vector<float>& inputs) {
  const std::size_t tokens = window_of_.size();
  std::vector<double> gates(tokens, 1.0);
  if (!layer.shared_gate.exists()) return gates;
  std::vector<float> logits(tokens);
  runtime::multiply(compute_,
                    std::array{runtime::LinearCall{&layer.shared_gate, logits.data()}},
                    inputs.data(), tokens);
  for (std::size_t i = 0; i < tokens; ++i) gates[i] = 1.0 / (1.0 + std::exp(-logits[i]));
  return gates;
}

void CertificateWalk::add_shared(const LayerPair& layer, const std::vector<float>& inputs,
                                 std::span<const Radii> moved,
                                 std::vector<SumsOfTokens>& sums) {
  const ExpertBounds bounds =
      bound_expert(compute_, *layer.shared, inputs.data(), window_of_.size(), moved, settings_,
                   certificate_.rows);
  const std::vector<double> gates = shared_gates(layer, inputs);
  const double input_length = layer.post_attention_norm.largest_output();
  // Two logits of n products, a quarter of each, twice as everywhere; two sigmoids, 8 roundings each.
  const double roundings =
      (static_cast<double>(hidden_ + 16) * 1.01 * layer.shared_gate_length * input_length +
       16.0) *
      kRoundoff;
  for (std::size_t set = 0; set < moved.size(); ++set) {
    for (std::size_t token = 0; token < gates.size(); ++token) {
      for (std::size_t kind = 0; kind < kCarriedKinds; ++kind) {
        const double radius = moved[set][token][kind];
        // A sigmoid is nowhere steeper than 1/4. The same inputs make the same gate.
        const double gate_change =
            radius == 0.0 ? 0.0 : 0.25 * layer.shared_gate_length * radius + roundings;
        const double change = bounds.changes[set][token][kind];
        const double length =
            kind == kBlockBound ? bounds.packed_lengths[token] : bounds.lengths[token];
        ExpertSums& sum = sums[set][token][kind];
        sum.shared_length = gates[token] * bounds.lengths[token];
        sum.shared_change =
            gates[token] * change + std::min(gate_change, 1.0) * (length + change);
      }
    }
  }
}

double CertificateWalk::combine_shared(const LayerPair& layer, double roundings,
                                       const ExpertSums& sums) const {
  if (!layer.shared) return 0.0;
  const double anything =
      largest_expert_output(*layer.shared, layer.post_attention_norm.largest_output()) +
      sums.shared_length;
  const double change = std::min(sums.shared_change, anything);
  return change + roundings * (sums.shared_length + change);
}

double CertificateWalk::combine_experts(const LayerPair& layer, TrackName track,
                                        std::size_t token, BoundKind kind,
                                        const ExpertSums& sums) const {
  // Weights in fp32, products and sums, on both sides.
  const double roundings =
      2.0 * static_cast<double>(layer.rule.experts_per_token + 20) * kRoundoff;
  const double shared = combine_shared(layer, roundings, sums);
  double change = sums.change + roundings * (sums.length + sums.change);
  if (track != kFull)
    return change + shared;  // the same inputs: the same experts, the same weights
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
  if (!full_certified_[token][kind]) return anything + shared;
  // The same experts with other weights: Σ|ŵ − w| is at most what their softmax can change by.
  const double weight_change =
      scaling * softmax_change(full_logit_changes_[token][kind]) + roundings;
  change += weight_change * (sums.largest_length + sums.largest_change);
  return std::min(change, anything) + shared;
}

std::vector<Radii> CertificateWalk::bound_experts(const LayerPair& layer,
                                                  const std::vector<float>& inputs,
                                                  std::span<const TrackName> tracks) {
  const std::size_t tokens = window_of_.size();
  std::vector<Radii> moved;
  for (const TrackName track : tracks) {
    moved.push_back(normed_radii(layer.post_attention_norm, track, true));
  }
  std::vector<SumsOfTokens> sums(tracks.size(), SumsOfTokens(tokens));
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
        for (std::size_t kind = 0; kind < kCarriedKinds; ++kind) {
          ExpertSums& sum = sums[set][group[i].token][kind];
          const double change = bounds.changes[set][i][kind];
          sum.change += group[i].weight * change;
          sum.largest_change = std::max(sum.largest_change, change);
          sum.length += group[i].weight * bounds.lengths[i];
          const auto& lengths = kind == kBlockBound ? bounds.packed_lengths : bounds.lengths;
          sum.largest_length = std::max(sum.largest_length, lengths[i]);
        }
      }
    }
  }
  if (layer.shared) add_shared(layer, inputs, moved, sums);
  std::vector<Radii> changes(tracks.size(), Radii(tokens));
  for (std::size_t set = 0; set < tracks.size(); ++set) {
    for (std::size_t token = 0; token < tokens; ++token) {
      for (std::size_t kind = 0; kind < kCarriedKinds; ++kind) {
        changes[set][token][kind] = combine_experts(
            layer, tracks[set], token, static_cast<BoundKind>(kind), sums[set][token][kind]);
      }
    }
  }
  return changes;
}

}  // namespace trine::eval
