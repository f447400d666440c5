// The experts of every layer in the order in which bits are handed out.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "core/model_spec.h"
#include "plan/expert_scores.h"

namespace trine::plan {

/// One layer's experts, ranked.
struct ExpertRanking {
  std::vector<double> scores{};         ///< by expert id
  std::vector<double> max_variances{};  ///< by expert id; empty unless they took part
  std::vector<std::size_t> order{};     ///< position 0 gets the most bits
};

/// Every layer with experts, by layer. kInvalidArgument when `inputs` lack what the score needs.
[[nodiscard]] Result<std::map<std::size_t, ExpertRanking>> rank_experts(
    std::string_view score, const ModelSpec& spec, const ScoreInputs& inputs);

/// What the names of an expert's matrices begin with: "model.layers.0.mlp.experts.3".
[[nodiscard]] std::string expert_name(const ExpertSpec& expert);

}  // namespace trine::plan
