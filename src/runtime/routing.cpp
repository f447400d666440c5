#include "runtime/routing.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace trine::runtime {
namespace {

constexpr float kMasked = -std::numeric_limits<float>::infinity();

/// One token's choice: experts best first, and weights that go with them.
struct Choice {
  std::vector<std::int32_t> experts{};
  std::vector<float> weights{};
};

std::vector<float> softmax(std::span<const float> logits) {
  const float largest = *std::max_element(logits.begin(), logits.end());
  std::vector<float> values(logits.size());
  float sum = 0.0f;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    values[i] = std::exp(logits[i] - largest);
    sum += values[i];
  }
  for (float& value : values) value /= sum;
  return values;
}

std::vector<std::int32_t> largest_indices(std::span<const float> scores, std::size_t count) {
  std::vector<std::int32_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count),
                    order.end(), [&](std::int32_t a, std::int32_t b) {
                      const float left = scores[static_cast<std::size_t>(a)];
                      const float right = scores[static_cast<std::size_t>(b)];
                      return left != right ? left > right : a < b;
                    });
  order.resize(count);
  return order;
}

float score_group(std::span<const float> scores, GroupScore rule) {
  std::vector<float> sorted(scores.begin(), scores.end());
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  if (rule == GroupScore::kMax || sorted.size() < 2) return sorted.front();
  return sorted[0] + sorted[1];
}

/// Masks the experts of all but the best groups.
void keep_best_groups(const RouterSpec& router, std::vector<float>& scores) {
  if (router.num_groups <= 1) return;
  const std::size_t size = scores.size() / router.num_groups;
  std::vector<float> group_scores(router.num_groups);
  for (std::size_t group = 0; group < router.num_groups; ++group) {
    group_scores[group] =
        score_group(std::span(scores).subspan(group * size, size), router.group_score);
  }
  const auto kept = largest_indices(group_scores, router.groups_per_token);
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const auto group = static_cast<std::int32_t>(i / size);
    if (std::find(kept.begin(), kept.end(), group) == kept.end()) scores[i] = kMasked;
  }
}

/// The k best of `selection`, weighted by `scores`, renormalised and scaled as the router says.
Choice choose(const RouterSpec& router, std::vector<float> selection,
              std::span<const float> scores) {
  keep_best_groups(router, selection);
  Choice choice{.experts = largest_indices(selection, router.experts_per_token)};
  float sum = 0.0f;
  for (const std::int32_t expert : choice.experts) {
    choice.weights.push_back(scores[static_cast<std::size_t>(expert)]);
    sum += choice.weights.back();
  }
  constexpr float kNoZeroDivision = 1e-20f;
  for (float& weight : choice.weights) {
    if (router.renormalises) weight /= sum + kNoZeroDivision;
    weight *= static_cast<float>(router.scaling_factor);
  }
  return choice;
}

Choice softmax_top_k(const RouterSpec& router, std::span<const float> logits,
                     std::span<const float>) {
  const std::vector<float> scores = softmax(logits);
  return choose(router, scores, scores);
}

Choice top_k_softmax(const RouterSpec& router, std::span<const float> logits,
                     std::span<const float>) {
  Choice choice{.experts = largest_indices(logits, router.experts_per_token)};
  std::vector<float> kept;
  for (const std::int32_t expert : choice.experts) {
    kept.push_back(logits[static_cast<std::size_t>(expert)]);
  }
  choice.weights = softmax(kept);
  return choice;
}

Choice sigmoid_biased(const RouterSpec& router, std::span<const float> logits,
                      std::span<const float> selection_bias) {
  std::vector<float> scores(logits.size());
  std::vector<float> selection(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i) {
    scores[i] = 1.0f / (1.0f + std::exp(-logits[i]));
    selection[i] = scores[i] + (selection_bias.empty() ? 0.0f : selection_bias[i]);
  }
  return choose(router, std::move(selection), scores);
}

/// The best of `remaining`, weighted by a softmax over those whose score is within the threshold
/// of it. `logits` are the scores before any was masked: their size sets the threshold.
void add_mixed(const RouterSpec& router, std::span<const float> logits,
               std::vector<float>& remaining, Choice& choice) {
  const auto best = static_cast<std::size_t>(
      std::max_element(remaining.begin(), remaining.end()) - remaining.begin());
  const float largest = remaining[best];
  const auto threshold = static_cast<float>(2.0 * router.jitter);
  std::vector<float> near = remaining;
  for (std::size_t i = 0; i < near.size(); ++i) {
    const float size = std::max(std::abs(logits[i]), largest);
    if ((largest - logits[i]) / size > threshold) near[i] = kMasked;
  }
  choice.experts.push_back(static_cast<std::int32_t>(best));
  choice.weights.push_back(softmax(near)[best]);
  remaining[best] = kMasked;
}

Choice sparse_mixer(const RouterSpec& router, std::span<const float> logits,
                    std::span<const float>) {
  Choice choice;
  std::vector<float> remaining(logits.begin(), logits.end());
  for (std::size_t k = 0; k < router.experts_per_token; ++k) {
    add_mixed(router, logits, remaining, choice);
  }
  return choice;
}

using Rule = Choice(const RouterSpec&, std::span<const float>, std::span<const float>);

/// In the order of RoutingRule.
constexpr Rule* kRules[] = {softmax_top_k, top_k_softmax, sigmoid_biased, sparse_mixer};

}  // namespace

Routing route(const RouterSpec& router, std::span<const float> router_logits,
              std::span<const float> selection_bias) {
  Routing routing{.experts_per_token = router.experts_per_token};
  Rule* const rule = kRules[static_cast<std::size_t>(router.rule)];
  const std::size_t num_experts = router.matrix.out_features;
  for (std::size_t first = 0; first < router_logits.size(); first += num_experts) {
    const Choice choice =
        rule(router, router_logits.subspan(first, num_experts), selection_bias);
    routing.experts.insert(routing.experts.end(), choice.experts.begin(), choice.experts.end());
    routing.weights.insert(routing.weights.end(), choice.weights.begin(), choice.weights.end());
  }
  return routing;
}

}  // namespace trine::runtime
