// The one list of scores. To add one: write its function, add its row. Nothing else changes.
//
// Sources: router norms and maximum variance arXiv 2604.06515 (method section and its
// experiments); frequency and routing weight are its baselines; error scores follow the cost of
// arXiv 2410.06270 without its exponents; kurtosis arXiv 2504.02658, §3.1.
#include "plan/expert_scores.h"

#include <algorithm>
#include <array>

#include "base/random.h"

namespace trine::plan {
namespace {

using Scores = Result<std::vector<double>>;

tl::unexpected<Error> lacks(std::string_view score, std::string_view what) {
  return fail(ErrorCode::kInvalidArgument, "the score {} needs {}, and there are none", score,
              what);
}

const MoeSpec& moe_of(const ModelSpec& spec, std::size_t layer) {
  check(layer < spec.layers.size() && spec.layers[layer].moe.has_value(),
        "expert scores: the layer has no experts");
  return *spec.layers[layer].moe;
}

std::array<const MatrixSpec*, 3> matrices_of(const ExpertSpec& expert) {
  return {&expert.gate_proj, &expert.up_proj, &expert.down_proj};
}

Result<const RouterStatistics*> router_of(std::string_view score, std::size_t layer,
                                          const ScoreInputs& inputs) {
  if (inputs.weights == nullptr) return lacks(score, "statistics of the weights");
  const auto found = inputs.weights->routers.find(layer);
  if (found != inputs.weights->routers.end()) return &found->second;
  return fail(ErrorCode::kInvalidArgument,
              "the score {} needs the router of layer {}, and the statistics of the weights "
              "have none",
              score, layer);
}

Result<const MatrixStatistics*> matrix_of(std::string_view score, const MatrixSpec& matrix,
                                          const ScoreInputs& inputs) {
  if (inputs.weights == nullptr) return lacks(score, "statistics of the weights");
  const auto found = inputs.weights->matrices.find(matrix.name);
  if (found != inputs.weights->matrices.end()) return &found->second;
  return fail(ErrorCode::kInvalidArgument,
              "the score {} needs {}, and the statistics of the weights have no such matrix",
              score, matrix.name);
}

Result<const RoutingStatistics*> routing_of(std::string_view score, const ModelSpec& spec,
                                            std::size_t layer, const ScoreInputs& inputs) {
  if (inputs.statistics == nullptr) return lacks(score, "statistics of real text");
  const std::size_t experts = moe_of(spec, layer).experts.size();
  const auto found = inputs.statistics->routing.find(layer);
  if (found != inputs.statistics->routing.end() &&
      found->second.expert_counts.size() == experts &&
      found->second.weight_sums.size() == experts) {
    return &found->second;
  }
  return fail(
      ErrorCode::kInvalidArgument,
      "the score {} needs the routing of the {} experts of layer {}, and the statistics "
      "of real text do not have it",
      score, experts, layer);
}

Scores norm_change(const ModelSpec&, std::size_t layer, const ScoreInputs& inputs) {
  TRINE_ASSIGN_OR_RETURN(const auto* router, router_of("router-norm-change", layer, inputs));
  if (!router->norm_changes.empty()) return router->norm_changes;
  return lacks("router-norm-change", "the routers from before training");
}

Scores norm(const ModelSpec&, std::size_t layer, const ScoreInputs& inputs) {
  TRINE_ASSIGN_OR_RETURN(const auto* router, router_of("router-norm", layer, inputs));
  return router->norms;
}

Scores centred_norm(const ModelSpec&, std::size_t layer, const ScoreInputs& inputs) {
  TRINE_ASSIGN_OR_RETURN(const auto* router, router_of("router-norm-centred", layer, inputs));
  return router->centred_norms;
}

/// The change where the beginning is known, else the norm: the published fallback.
Scores change_or_norm(const ModelSpec&, std::size_t layer, const ScoreInputs& inputs) {
  TRINE_ASSIGN_OR_RETURN(const auto* router, router_of("router-norm", layer, inputs));
  return router->norm_changes.empty() ? router->norms : router->norm_changes;
}

Scores max_variance(const ModelSpec& spec, std::size_t layer, const ScoreInputs& inputs) {
  std::vector<double> scores;
  for (const ExpertSpec& expert : moe_of(spec, layer).experts) {
    std::vector<const MatrixSpec*> matrices{&expert.gate_proj};
    if (inputs.variance_includes_up_proj) matrices.push_back(&expert.up_proj);
    double largest = 0.0;
    for (const MatrixSpec* matrix : matrices) {
      TRINE_ASSIGN_OR_RETURN(const auto* found, matrix_of("max-variance", *matrix, inputs));
      largest = std::max(largest, inputs.variance == VarianceRule::kPaper
                                      ? found->max_row_variance
                                      : found->largest_row_variance);
    }
    scores.push_back(largest);
  }
  return scores;
}

/// Mean over the three matrices.
Scores kurtosis(const ModelSpec& spec, std::size_t layer, const ScoreInputs& inputs) {
  std::vector<double> scores;
  for (const ExpertSpec& expert : moe_of(spec, layer).experts) {
    double sum = 0.0;
    for (const MatrixSpec* matrix : matrices_of(expert)) {
      TRINE_ASSIGN_OR_RETURN(const auto* found, matrix_of("kurtosis", *matrix, inputs));
      sum += found->excess_kurtosis;
    }
    scores.push_back(sum / 3.0);
  }
  return scores;
}

double share(double part, double whole) { return whole > 0.0 ? part / whole : 0.0; }

Scores frequency(const ModelSpec& spec, std::size_t layer, const ScoreInputs& inputs) {
  TRINE_ASSIGN_OR_RETURN(const auto* routing, routing_of("frequency", spec, layer, inputs));
  std::vector<double> scores;
  for (const std::uint64_t count : routing->expert_counts) {
    scores.push_back(share(static_cast<double>(count), static_cast<double>(routing->tokens)));
  }
  return scores;
}

/// Mean routing weight over the tokens an expert received.
Scores routing_weight(const ModelSpec& spec, std::size_t layer, const ScoreInputs& inputs) {
  TRINE_ASSIGN_OR_RETURN(const auto* routing,
                         routing_of("routing-weight", spec, layer, inputs));
  std::vector<double> scores;
  for (std::size_t expert = 0; expert < routing->weight_sums.size(); ++expert) {
    scores.push_back(share(routing->weight_sums[expert],
                           static_cast<double>(routing->expert_counts[expert])));
  }
  return scores;
}

/// The error table's rows of one layer, by matrix name.
using LayerErrors = std::map<std::string_view, const ErrorRow*>;

/// The first candidate of the asked bits without a compensator; null when there is none.
const ErrorCandidate* candidate_of(const ErrorRow& row, int bits) {
  for (const ErrorCandidate& candidate : row.candidates) {
    if (candidate.plan.bits == bits && candidate.plan.rank == 0) return &candidate;
  }
  return nullptr;
}

/// Σ over an expert's matrices of `measure` of what the table says about each.
template <class Measure>
Scores error_sums(std::string_view score, const ModelSpec& spec, std::size_t layer,
                  const ScoreInputs& inputs, const Measure& measure) {
  if (inputs.errors == nullptr) return lacks(score, "a table of measured errors");
  LayerErrors rows;
  for (const ErrorRow& row : *inputs.errors) {
    if (row.layer == layer) rows[row.name] = &row;
  }
  std::vector<double> scores;
  for (const ExpertSpec& expert : moe_of(spec, layer).experts) {
    double sum = 0.0;
    for (const MatrixSpec* matrix : matrices_of(expert)) {
      const auto row = rows.find(matrix->name);
      const ErrorCandidate* candidate =
          row == rows.end() ? nullptr : candidate_of(*row->second, inputs.error_bits);
      if (candidate == nullptr) {
        return fail(ErrorCode::kInvalidArgument,
                    "the score {} needs the error of {} at {} bits without a compensator, and "
                    "the table of measured errors has none",
                    score, matrix->name, inputs.error_bits);
      }
      sum += measure(*row->second, *candidate);
    }
    scores.push_back(sum);
  }
  return scores;
}

Scores weight_error(const ModelSpec& spec, std::size_t layer, const ScoreInputs& inputs) {
  return error_sums("weight-error", spec, layer, inputs,
                    [](const ErrorRow& row, const ErrorCandidate& candidate) {
                      return share(candidate.weight_error, row.squared_norm);
                    });
}

/// Without statistics the table repeats the weight error; that would be a score of another name.
Scores output_error(const ModelSpec& spec, std::size_t layer, const ScoreInputs& inputs) {
  if (inputs.statistics == nullptr) return lacks("output-error", "statistics of real text");
  return error_sums("output-error", spec, layer, inputs,
                    [](const ErrorRow& row, const ErrorCandidate& candidate) {
                      return share(candidate.output_error, row.output_power);
                    });
}

/// tr(ΔW·H·ΔWᵀ) with H the sum of x·xᵀ over the tokens an expert receives, as GPTQ keeps it:
/// E‖ΔW·x‖² over those tokens, times their share.
Scores hessian(const ModelSpec& spec, std::size_t layer, const ScoreInputs& inputs) {
  if (inputs.statistics == nullptr) return lacks("hessian", "statistics of real text");
  return error_sums("hessian", spec, layer, inputs,
                    [](const ErrorRow& row, const ErrorCandidate& candidate) {
                      return row.use * candidate.output_error;
                    });
}

Scores random(const ModelSpec& spec, std::size_t layer, const ScoreInputs& inputs) {
  base::Random stream(inputs.seed);
  for (std::size_t i = 0; i < layer; ++i) stream.next();
  base::Random generator(stream.next());  // a layer's draws do not depend on other layers
  std::vector<double> scores(moe_of(spec, layer).experts.size());
  for (double& score : scores) score = generator.uniform();
  return scores;
}

Scores uniform(const ModelSpec& spec, std::size_t layer, const ScoreInputs&) {
  return std::vector<double>(moe_of(spec, layer).experts.size(), 0.0);
}

constexpr auto kLow = MoreBitsTo::kLowest;
constexpr auto kHigh = MoreBitsTo::kHighest;

constexpr std::array kScores = {
    ExpertScore{"router-norm-change", "growth of the router row's norm in training", kLow,
                false, norm_change},
    ExpertScore{"router-norm", "norm of the router row", kLow, false, norm},
    ExpertScore{"router-norm-centred", "the same less the layer's mean row", kLow, false,
                centred_norm},
    ExpertScore{"combined", "router-norm-change (or router-norm), then max-variance", kLow,
                true, change_or_norm},
    ExpertScore{"max-variance", "largest variance of a row of gate_proj", kHigh, false,
                max_variance},
    ExpertScore{"frequency", "share of the tokens", kHigh, false, frequency},
    ExpertScore{"routing-weight", "mean routing weight of its tokens", kHigh, false,
                routing_weight},
    ExpertScore{"kurtosis", "mean excess kurtosis of its matrices", kHigh, false, kurtosis},
    ExpertScore{"weight-error", "relative error of its weights", kHigh, false, weight_error},
    ExpertScore{"output-error", "relative error of its outputs", kHigh, false, output_error},
    ExpertScore{"hessian", "error of its outputs, times their share", kHigh, false, hessian},
    ExpertScore{"random", "control: seeded chance", kHigh, false, random},
    ExpertScore{"uniform", "control: all alike, so by expert id", kHigh, false, uniform},
    ExpertScore{"hot-first", "control: router-norm-change the other way round", kHigh, false,
                change_or_norm},
};

}  // namespace

std::span<const ExpertScore> expert_score_list() noexcept { return kScores; }

Result<const ExpertScore*> expert_score_named(std::string_view name) {
  std::string known;
  for (const ExpertScore& row : kScores) {
    if (row.name == name) return &row;
    known += (known.empty() ? "" : ", ") + std::string(row.name);
  }
  return fail(ErrorCode::kUnsupported, "score \"{}\" is not known; known: {}", name, known);
}

}  // namespace trine::plan
