// The list of scores that order the experts of a layer, and what each of them needs to know.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "core/error_table.h"
#include "core/model_spec.h"
#include "core/statistics.h"
#include "plan/expert_order.h"
#include "plan/weight_statistics.h"

namespace trine::plan {

/// Which of the variances of MatrixStatistics stands for an expert.
enum class VarianceRule {
  kPaper,   ///< largest variance of a row, divided by in_features
  kCompat,  ///< as the published Mixtral code: unbiased variance of the row with largest norm
};

/// What is known about a model. Null: not known; a score that needs it says so.
struct ScoreInputs {
  const WeightStatistics* weights = nullptr;
  const ModelStatistics* statistics = nullptr;
  const ErrorTable* errors = nullptr;
  int error_bits = 2;  ///< the candidates of `errors` that error scores look at
  VarianceRule variance = VarianceRule::kPaper;
  bool variance_includes_up_proj = false;  ///< else gate_proj alone, as published
  double zeta = kDefaultZeta;              ///< of `combined`
  std::uint64_t seed = 0;                  ///< of `random`
};

/// Scores of one layer, by expert id; an Error names what is missing.
using ScoreFunction = Result<std::vector<double>>(const ModelSpec& spec, std::size_t layer,
                                                  const ScoreInputs& inputs);

struct ExpertScore {
  std::string_view name;
  std::string_view what;    ///< one line for people
  MoreBitsTo more_bits_to;  ///< which end of the score gets more bits
  bool promotes_wide;       ///< followed by promote_wide_experts with max-variance
  ScoreFunction* score;
};

/// The one list of scores (expert_scores.cpp).
[[nodiscard]] std::span<const ExpertScore> expert_score_list() noexcept;

/// kUnsupported lists the known names.
[[nodiscard]] Result<const ExpertScore*> expert_score_named(std::string_view name);

}  // namespace trine::plan
