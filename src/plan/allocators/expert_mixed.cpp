#include "plan/allocators/expert_mixed.h"

#include "plan/expert_ranking.h"

namespace trine::plan {
namespace {

void set_bits(Plan& plan, const ExpertSpec& expert, int bits) {
  for (const MatrixSpec* matrix : {&expert.gate_proj, &expert.up_proj, &expert.down_proj}) {
    plan.matrices[matrix->name].bits = bits;
  }
}

Status allocate_layer(const MoeSpec& moe, const ExpertRanking& ranking,
                      const AllocatorInputs& inputs, Plan& plan) {
  TRINE_ASSIGN_OR_RETURN(
      const ExpertCounts counts,
      expert_counts(moe.experts.size(), inputs.levels, inputs.average_bits, inputs.count_rule));
  const std::vector<int> bits = counts.bits_by_expert(ranking.order);
  for (std::size_t position = 0; position < ranking.order.size(); ++position) {
    const std::size_t id = ranking.order[position];
    const ExpertSpec& expert = moe.experts[id];
    set_bits(plan, expert, bits[id]);
    auto& scores = plan.scores[expert_name(expert)];
    scores[inputs.score] = ranking.scores[id];
    scores["position"] = static_cast<double>(position);
    if (!ranking.max_variances.empty()) scores["max-variance"] = ranking.max_variances[id];
  }
  return {};
}

}  // namespace

Result<Plan> allocate_expert_mixed(const ModelSpec& spec, const AllocatorInputs& inputs) {
  TRINE_ASSIGN_OR_RETURN(const auto rankings,
                         rank_experts(inputs.score, spec, inputs.score_inputs));
  if (rankings.empty()) {
    return fail(ErrorCode::kInvalidArgument,
                "the allocator expert-mixed needs routed experts, and a {} model of this "
                "config has none",
                spec.family);
  }
  Plan plan;
  for (const MatrixSpec* matrix : compressible_matrices(spec)) {
    MatrixPlan& entry = plan.matrices[matrix->name];
    entry = inputs.matrix;
    entry.bits = inputs.attention_bits;
  }
  for (const auto& [layer, ranking] : rankings) {
    TRINE_RETURN_IF_ERROR(allocate_layer(*spec.layers[layer].moe, ranking, inputs, plan));
  }
  return plan;
}

std::map<std::size_t, double> average_expert_bits(const ModelSpec& spec, const Plan& plan) {
  std::map<std::size_t, double> averages;
  for (std::size_t layer = 0; layer < spec.layers.size(); ++layer) {
    if (!spec.layers[layer].moe) continue;
    double bits = 0.0, weights = 0.0;
    for (const ExpertSpec& expert : spec.layers[layer].moe->experts) {
      for (const MatrixSpec* matrix : {&expert.gate_proj, &expert.up_proj, &expert.down_proj}) {
        const double size = static_cast<double>(matrix->out_features * matrix->in_features);
        bits += size * plan.matrices.at(matrix->name).bits;
        weights += size;
      }
    }
    averages[layer] = bits / weights;
  }
  return averages;
}

}  // namespace trine::plan
