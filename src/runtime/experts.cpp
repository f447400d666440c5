#include "runtime/experts.h"

#include <array>
#include <cmath>

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

/// Numbers kept between the two steps of the experts that are computed at once: 32 MB. A few tokens
/// are one go for all experts, a long prompt takes them nearly one by one.
constexpr std::size_t kMostNumbersAtOnce = std::size_t{8} << 20;

/// Experts computed at once, with rows of their tokens in one array.
class ExpertWave {
 public:
  explicit ExpertWave(std::size_t hidden) : hidden_(hidden) {}

  [[nodiscard]] bool has_room_for(const FeedForward& expert, std::size_t num_tokens) const {
    return members_.empty() || numbers_ + num_tokens * expert.width() <= kMostNumbersAtOnce;
  }

  void add(const FeedForward& expert, const std::vector<Assignment>& group,
           const float* inputs) {
    members_.push_back({&expert, &group, rows_.size()});
    for (const Assignment& assignment : group) {
      const float* row = inputs + assignment.token * hidden_;
      rows_.insert(rows_.end(), row, row + hidden_);
    }
    numbers_ += group.size() * expert.width();
  }

  /// Adds every expert's results to its tokens, experts in ascending order, and starts anew.
  void run(Compute& compute, std::vector<float>& outputs) {
    std::vector<float> results(rows_.size());
    std::vector<FeedForwardBatch> batches;
    for (const Member& member : members_) {
      batches.push_back({member.expert, rows_.data() + member.first,
                         results.data() + member.first, member.group->size()});
    }
    FeedForward::apply(compute, batches);
    for (const Member& member : members_) {
      const float* result = results.data() + member.first;
      for (const Assignment& assignment : *member.group) {
        float* target = outputs.data() + assignment.token * hidden_;
        for (std::size_t c = 0; c < hidden_; ++c) target[c] += assignment.weight * result[c];
        result += hidden_;
      }
    }
    members_.clear();
    rows_.clear();
    numbers_ = 0;
  }

 private:
  struct Member {
    const FeedForward* expert;
    const std::vector<Assignment>* group;
    std::size_t first;  ///< of its rows
  };

  std::size_t hidden_;
  std::vector<Member> members_{};
  std::vector<float> rows_{};
  std::size_t numbers_ = 0;
};

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
                       std::vector<float>& outputs, const Routing* forced) const {
  const std::size_t hidden = router_.in_features();
  std::vector<float> router_logits(num_tokens * experts_.size());
  multiply(compute, std::array{LinearCall{&router_, router_logits.data()}}, inputs, num_tokens);
  Routing routing =
      route(rule_, router_logits, selection_bias_,
            forced == nullptr ? std::span<const std::int32_t>() : forced->experts);

  outputs.assign(num_tokens * hidden, 0.0f);
  const auto groups = group_by_expert(routing, experts_.size());
  ExpertWave wave(hidden);
  for (std::size_t index = 0; index < experts_.size(); ++index) {
    const auto& group = groups[index];
    if (group.empty()) continue;
    if (!wave.has_room_for(experts_[index], group.size())) wave.run(compute, outputs);
    wave.add(experts_[index], group, inputs);
  }
  wave.run(compute, outputs);
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
