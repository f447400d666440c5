// Rank strategies: how large a compensator every matrix gets, as "dense-512+kurtosis-16".
//
// arXiv 2504.02658 (MiLo), §3.2.4. A strategy is one term or several joined by "+"; a term is a
// name of the list in rank_rules.cpp and a rank R:
//
//   uniform-R    R for every matrix
//   dense-R      R for attention, dense feed-forwards and shared experts
//   sparse-R     R for routed experts
//   frequency-R  routed experts, in every layer in proportion to their tokens, R on average
//   kurtosis-R   routed experts, more for heavier tails, R on average over the model
//
// Matrices no term speaks of have rank 0; two terms may not speak of the same ones. The paper's
// models: Mixtral dense-512+kurtosis-16 (s1) and dense-1024+kurtosis-32 (s2), DeepSeek-MoE
// dense-800 (s1) and dense-1024+frequency-32 (s2).
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "core/model_spec.h"
#include "plan/plan.h"
#include "plan/rank_rules.h"

namespace trine::plan {

/// kInvalidArgument quotes the term that is not understood, and the known names.
[[nodiscard]] Result<std::vector<RankTerm>> parse_rank_strategy(std::string_view strategy);

/// Sets rank, compensator and factor_bits of every entry of `plan`, which has one for every
/// compressible matrix (else kInvalidArgument). Fails before it changes anything.
[[nodiscard]] Status apply_rank_strategy(std::string_view strategy, const ModelSpec& spec,
                                         const RankInputs& inputs, const RankOptions& options,
                                         Plan& plan);

}  // namespace trine::plan
