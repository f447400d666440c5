#include "plan/expert_ranking.h"

#include <algorithm>
#include <cmath>

namespace trine::plan {

Result<std::map<std::size_t, ExpertRanking>> rank_experts(std::string_view score,
                                                          const ModelSpec& spec,
                                                          const ScoreInputs& inputs) {
  TRINE_ASSIGN_OR_RETURN(const ExpertScore* row, expert_score_named(score));
  TRINE_ASSIGN_OR_RETURN(const ExpertScore* variance, expert_score_named("max-variance"));
  std::map<std::size_t, ExpertRanking> rankings;
  for (std::size_t layer = 0; layer < spec.layers.size(); ++layer) {
    if (!spec.layers[layer].moe) continue;
    ExpertRanking& ranking = rankings[layer];
    TRINE_ASSIGN_OR_RETURN(ranking.scores, row->score(spec, layer, inputs));
    const std::size_t experts = spec.layers[layer].moe->experts.size();
    const bool is_usable = std::all_of(ranking.scores.begin(), ranking.scores.end(),
                                       [](double value) { return std::isfinite(value); }) &&
                           ranking.scores.size() == experts;
    if (!is_usable) {
      return fail(ErrorCode::kInvalidArgument,
                  "the score {} of layer {} has {} values, expected {} finite ones", score,
                  layer, ranking.scores.size(), experts);
    }
    ranking.order = expert_order(ranking.scores, row->more_bits_to);
    if (!row->promotes_wide) continue;
    TRINE_ASSIGN_OR_RETURN(ranking.max_variances, variance->score(spec, layer, inputs));
    TRINE_ASSIGN_OR_RETURN(
        ranking.order, promote_wide_experts(ranking.order, ranking.max_variances, inputs.zeta));
  }
  return rankings;
}

std::string expert_name(const ExpertSpec& expert) {
  const std::string& gate = expert.gate_proj.name;
  const std::string& down = expert.down_proj.name;
  const auto differ = std::mismatch(gate.begin(), gate.end(), down.begin(), down.end()).first;
  const std::string shared(gate.begin(), differ);
  return shared.substr(0, shared.rfind('.'));
}

}  // namespace trine::plan
