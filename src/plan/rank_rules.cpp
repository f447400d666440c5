// The one list of rank rules. To add one: write its function, add its row.
//
// Published formulas: arXiv 2504.02658 (MiLo), §3.2.4, and its code.
#include "plan/rank_rules.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "plan/proportional_ranks.h"

namespace trine::plan {
namespace {

using Ranks = Result<std::vector<std::size_t>>;

constexpr std::size_t kMatricesPerExpert = 3;
constexpr double kMostKurtosis = 9.0;  ///< exponents stop where the published rule stops

/// A rank by itself: to the nearest step, halves up, but not to nothing; then the cap.
std::size_t fitted(double rank, const RankTarget& target) {
  double steps = std::floor(rank / static_cast<double>(target.step) + 0.5);
  if (steps == 0.0 && rank > 0.0) steps = 1.0;
  const double most = static_cast<double>(target.cap / target.step);
  return static_cast<std::size_t>(std::min(steps, most)) * target.step;
}

Ranks constant_ranks(const RankTask& task) {
  std::vector<std::size_t> ranks;
  for (const RankTarget& target : task.targets) ranks.push_back(fitted(task.rank, target));
  return ranks;
}

/// Tokens of the experts of one layer.
Result<std::vector<double>> tokens_of(const RankTask& task, std::span<const RankTarget> layer) {
  if (task.inputs.statistics == nullptr) {
    return fail(ErrorCode::kInvalidArgument,
                "the ranks {}-{} need statistics of real text, and there are none",
                task.term.name, task.term.rank);
  }
  const auto routing = task.inputs.statistics->routing.find(layer[0].layer);
  const std::size_t experts = layer.size() / kMatricesPerExpert;
  if (routing == task.inputs.statistics->routing.end() ||
      routing->second.expert_counts.size() != experts) {
    return fail(ErrorCode::kInvalidArgument,
                "the ranks {}-{} need the tokens of the {} experts of layer {}, and the "
                "statistics of real text do not have them",
                task.term.name, task.term.rank, experts, layer[0].layer);
  }
  const auto& counts = routing->second.expert_counts;
  return std::vector<double>(counts.begin(), counts.end());
}

/// One rank per expert of a layer, R on average. Published: round(f / Σf · R · num_experts).
/// With steps of 16 rounding alone would drift from R, so remainders are handed out by size.
std::vector<std::size_t> layer_ranks(const RankTask& task, std::span<const RankTarget> layer,
                                     const std::vector<double>& tokens) {
  std::vector<std::size_t> caps;
  for (std::size_t i = 0; i < layer.size(); i += kMatricesPerExpert) {
    caps.push_back(std::min({layer[i].cap, layer[i + 1].cap, layer[i + 2].cap}));
  }
  const double total = task.rank * static_cast<double>(tokens.size());
  if (task.options.rounds_to_step) {
    return proportional_ranks(tokens, caps, total, layer[0].step);
  }
  double sum = 0.0;
  for (const double count : tokens) sum += count;
  std::vector<std::size_t> ranks(tokens.size(), 0);
  for (std::size_t expert = 0; expert < ranks.size() && sum > 0.0; ++expert) {
    const double rank = std::nearbyint(tokens[expert] / sum * total);  // halves to even
    ranks[expert] = std::min(caps[expert], static_cast<std::size_t>(rank));
  }
  return ranks;
}

Ranks frequency_ranks(const RankTask& task) {
  std::vector<std::size_t> ranks;
  for (std::size_t begin = 0; begin < task.targets.size();) {
    std::size_t end = begin;
    while (end < task.targets.size() && task.targets[end].layer == task.targets[begin].layer) {
      ++end;
    }
    const auto layer = std::span(task.targets).subspan(begin, end - begin);
    TRINE_ASSIGN_OR_RETURN(const auto tokens, tokens_of(task, layer));
    for (const std::size_t rank : layer_ranks(task, layer, tokens)) {
      ranks.insert(ranks.end(), kMatricesPerExpert, rank);
    }
    begin = end;
  }
  return ranks;
}

Result<std::vector<double>> kurtoses_of(const RankTask& task) {
  std::vector<double> values;
  for (const RankTarget& target : task.targets) {
    if (task.inputs.weights == nullptr) break;
    const auto found = task.inputs.weights->matrices.find(target.matrix->name);
    if (found == task.inputs.weights->matrices.end()) break;
    values.push_back(found->second.excess_kurtosis);
  }
  if (values.size() == task.targets.size()) return values;
  return fail(ErrorCode::kInvalidArgument,
              "the ranks {}-{} need the kurtosis of {}, and there is none", task.term.name,
              task.term.rank, task.targets[values.size()].matrix->name);
}

Ranks published_kurtosis_ranks(const RankTask& task, const std::vector<double>& kurtoses) {
  if (task.term.rank != 16 && task.term.rank != 32) {
    return fail(ErrorCode::kInvalidArgument,
                "the published rule knows kurtosis-16 and kurtosis-32, found kurtosis-{}",
                task.term.rank);
  }
  const int k = task.term.rank == 16 ? 2 : 3;
  std::vector<std::size_t> ranks;
  for (std::size_t i = 0; i < kurtoses.size(); ++i) {
    const auto rank = static_cast<double>(published_kurtosis_rank(kurtoses[i], k));
    ranks.push_back(fitted(rank * task.options.rank_scale, task.targets[i]));
  }
  return ranks;
}

/// Ours: weights 2^min(κ, 9), κ not rounded, scaled so that the mean over the model is R. It
/// doubles with κ as the published rule does, but never falls and keeps the average that was
/// asked for; matrices without heavy tails share what is left instead of having nothing.
Ranks kurtosis_ranks(const RankTask& task) {
  TRINE_ASSIGN_OR_RETURN(const auto kurtoses, kurtoses_of(task));
  if (task.options.compat) return published_kurtosis_ranks(task, kurtoses);
  std::vector<std::size_t> caps;
  std::vector<double> weights;
  std::size_t step = 1;
  for (std::size_t i = 0; i < kurtoses.size(); ++i) {
    weights.push_back(std::exp2(std::min(kurtoses[i], kMostKurtosis)));
    caps.push_back(task.targets[i].cap);
    step = std::max(step, task.targets[i].step);
  }
  const double total = task.rank * static_cast<double>(kurtoses.size());
  return proportional_ranks(weights, caps, total, step);
}

constexpr std::array kRules = {
    RankRule{"uniform", true, true, constant_ranks},
    RankRule{"dense", true, false, constant_ranks},
    RankRule{"sparse", false, true, constant_ranks},
    RankRule{"frequency", false, true, frequency_ranks},
    RankRule{"kurtosis", false, true, kurtosis_ranks},
};

}  // namespace

std::span<const RankRule> rank_rules() noexcept { return kRules; }

const RankRule* rank_rule_named(std::string_view name) noexcept {
  for (const RankRule& rule : kRules) {
    if (rule.name == name) return &rule;
  }
  return nullptr;
}

std::size_t published_kurtosis_rank(double excess_kurtosis, int k) {
  const double rounded = std::nearbyint(excess_kurtosis);
  if (rounded < 1.0) return 0;
  if (rounded > 9.0) return 1024;
  return std::size_t{1} << (static_cast<int>(rounded) + k);
}

std::size_t rank_cap(const MatrixSpec& matrix) noexcept {
  const std::size_t sum = matrix.out_features + matrix.in_features;
  return (matrix.out_features * matrix.in_features - 1) / sum;
}

}  // namespace trine::plan
