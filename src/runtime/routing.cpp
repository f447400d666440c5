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

/// One token's question.
struct Scores {
  std::span<const float> logits;
  std::span<const float> selection_bias;  ///< may be empty
  std::span<const std::int32_t> forced;   ///< experts to take; empty: the best
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

/// The experts to take: the forced ones, or the best of `selection`.
std::vector<std::int32_t> taken(const RouterSpec& router, const Scores& token,
                                std::span<const float> selection) {
  if (!token.forced.empty()) return {token.forced.begin(), token.forced.end()};
  return largest_indices(selection, router.experts_per_token);
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
Choice choose(const RouterSpec& router, const Scores& token, std::vector<float> selection,
              std::span<const float> scores) {
  keep_best_groups(router, selection);
  Choice choice{.experts = taken(router, token, selection)};
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

Choice softmax_top_k(const RouterSpec& router, const Scores& token) {
  const std::vector<float> scores = softmax(token.logits);
  return choose(router, token, scores, scores);
}

Choice top_k_softmax(const RouterSpec& router, const Scores& token) {
  Choice choice{.experts = taken(router, token, token.logits)};
  std::vector<float> kept;
  for (const std::int32_t expert : choice.experts) {
    kept.push_back(token.logits[static_cast<std::size_t>(expert)]);
  }
  choice.weights = softmax(kept);
  return choice;
}

Choice sigmoid_biased(const RouterSpec& router, const Scores& token) {
  std::vector<float> scores(token.logits.size());
  std::vector<float> selection(token.logits.size());
  for (std::size_t i = 0; i < scores.size(); ++i) {
    scores[i] = 1.0f / (1.0f + std::exp(-token.logits[i]));
    selection[i] = scores[i] + (token.selection_bias.empty() ? 0.0f : token.selection_bias[i]);
  }
  return choose(router, token, std::move(selection), scores);
}

/// The best of `remaining`, or the forced one, weighted by a softmax over those whose score is
/// within the threshold of it. The scores before any was masked set the threshold.
void add_mixed(const RouterSpec& router, const Scores& token, std::vector<float>& remaining,
               Choice& choice) {
  const std::span<const float> logits = token.logits;
  const auto best =
      token.forced.empty()
          ? static_cast<std::size_t>(std::max_element(remaining.begin(), remaining.end()) -
                                     remaining.begin())
          : static_cast<std::size_t>(token.forced[choice.experts.size()]);
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

Choice sparse_mixer(const RouterSpec& router, const Scores& token) {
  Choice choice;
  std::vector<float> remaining(token.logits.begin(), token.logits.end());
  for (std::size_t k = 0; k < router.experts_per_token; ++k) {
    add_mixed(router, token, remaining, choice);
  }
  return choice;
}

using Rule = Choice(const RouterSpec&, const Scores&);

/// In the order of RoutingRule.
constexpr Rule* kRules[] = {softmax_top_k, top_k_softmax, sigmoid_biased, sparse_mixer};

}  // namespace

Routing route(const RouterSpec& router, std::span<const float> router_logits,
              std::span<const float> selection_bias, std::span<const std::int32_t> forced) {
  Routing routing{.experts_per_token = router.experts_per_token};
  Rule* const rule = kRules[static_cast<std::size_t>(router.rule)];
  const std::size_t num_experts = router.matrix.out_features;
  const std::size_t k = router.experts_per_token;
  for (std::size_t token = 0; token < router_logits.size() / num_experts; ++token) {
    const Choice choice =
        rule(router, {router_logits.subspan(token * num_experts, num_experts), selection_bias,
                      forced.empty() ? forced : forced.subspan(token * k, k)});
    routing.experts.insert(routing.experts.end(), choice.experts.begin(), choice.experts.end());
    routing.weights.insert(routing.weights.end(), choice.weights.begin(), choice.weights.end());
  }
  return routing;
}

}  // namespace trine::runtime
