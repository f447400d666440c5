// What is proven about routing.
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
      const bool has_changed = chosen != chosen_of(packed, token);
      if (track == kFull) {
        full_certified_[token] = certified;
        if (has_changed) same_experts_[token] = false;
      }
      if (tallies[track]->add(certified, has_changed)) flag(token);
    }
  }
}

}  // namespace trine::eval
