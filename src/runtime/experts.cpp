#include "runtime/experts.h"

#include <array>
#include <cmath>
#include <cstring>

namespace trine::runtime {
namespace {

/// One token's place in an expert's batch.
struct Assignment {
  std::size_t token;
  float weight;
};

std::vector<std::vector<Assignment>> group_by_expert(const Routing& routing,
                                                     std::size_t num_experts) {
  std::vector<std::vector<Assignment>> groups(num_experts);
  for (std::size_t slot = 0; slot < routing.experts.size(); ++slot) {
    groups[static_cast<std::size_t>(routing.experts[slot])].push_back(
        {slot / routing.experts_per_token, routing.weights[slot]});
  }
  return groups;
}

std::vector<float> gather_rows(const float* inputs, std::size_t width,
                               const std::vector<Assignment>& group) {
  std::vector<float> rows(group.size() * width);
  for (std::size_t i = 0; i < group.size(); ++i) {
    std::memcpy(rows.data() + i * width, inputs + group[i].token * width,
                width * sizeof(float));
  }
  return rows;
}

}  // namespace

Result<Experts> Experts::load(const MoeSpec& spec, const ModelSpec& model,
                              const models::WeightSource& source) {
  Experts loaded;
  loaded.rule_ = spec.router;
  TRINE_ASSIGN_OR_RETURN(loaded.router_, Linear::load(spec.router.matrix, source));
  if (spec.router.selection_bias.exists()) {
    TRINE_ASSIGN_OR_RETURN(loaded.selection_bias_, source.vector(spec.router.selection_bias));
  }
  for (const ExpertSpec& expert : spec.experts) {
    TRINE_ASSIGN_OR_RETURN(auto mlp, FeedForward::load(expert, model, source));
    loaded.experts_.push_back(std::move(mlp));
  }
  if (spec.shared_expert) {
    TRINE_ASSIGN_OR_RETURN(loaded.shared_expert_,
                           FeedForward::load(*spec.shared_expert, model, source));
  }
  TRINE_ASSIGN_OR_RETURN(loaded.shared_expert_gate_,
                         Linear::load(spec.shared_expert_gate, source));
  return loaded;
}

void Experts::add_shared(Compute& compute, const float* inputs, std::size_t num_tokens,
                         std::vector<float>& outputs) const {
  const std::vector<float> shared = shared_expert_->apply(compute, inputs, num_tokens);
  std::vector<float> gates(num_tokens, 1.0f);
  if (shared_expert_gate_.exists()) {
    multiply(compute, std::array{LinearCall{&shared_expert_gate_, gates.data()}}, inputs,
             num_tokens);
    for (float& gate : gates) gate = 1.0f / (1.0f + std::exp(-gate));
  }
  const std::size_t hidden = router_.in_features();
  for (std::size_t i = 0; i < outputs.size(); ++i) outputs[i] += gates[i / hidden] * shared[i];
}

Routing Experts::apply(Compute& compute, const float* inputs, std::size_t num_tokens,
                       std::vector<float>& outputs) const {
  const std::size_t hidden = router_.in_features();
  std::vector<float> router_logits(num_tokens * experts_.size());
  multiply(compute, std::array{LinearCall{&router_, router_logits.data()}}, inputs, num_tokens);
  Routing routing = route(rule_, router_logits, selection_bias_);

  outputs.assign(num_tokens * hidden, 0.0f);
  const auto groups = group_by_expert(routing, experts_.size());
  for (std::size_t index = 0; index < experts_.size(); ++index) {
    const auto& group = groups[index];
    if (group.empty()) continue;
    const std::vector<float> rows = gather_rows(inputs, hidden, group);
    const std::vector<float> results =
        experts_[index].apply(compute, rows.data(), group.size());
    for (std::size_t i = 0; i < group.size(); ++i) {
      float* target = outputs.data() + group[i].token * hidden;
      for (std::size_t c = 0; c < hidden; ++c) {
        target[c] += group[i].weight * results[i * hidden + c];
      }
    }
  }
  if (shared_expert_) add_shared(compute, inputs, num_tokens, outputs);
  return routing;
}

double Experts::active_bytes() const {
  double all = 0.0;
  for (const FeedForward& expert : experts_) all += static_cast<double>(expert.stored_bytes());
  const double share =
      static_cast<double>(rule_.experts_per_token) / static_cast<double>(experts_.size());
  auto bytes = all * share + static_cast<double>(router_.stored_bytes());
  if (shared_expert_) bytes += static_cast<double>(shared_expert_->stored_bytes());
  return bytes;
}

}  // namespace trine::runtime
