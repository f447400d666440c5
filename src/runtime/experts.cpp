#include "runtime/experts.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <numeric>

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

/// gate = silu(gate) ⊙ up, with silu(x) = x / (1 + e^−x).
void swiglu(Compute& compute, std::vector<float>& gate, const std::vector<float>& up) {
  constexpr std::size_t kExpCost = 16;  // one exponential, in multiplications
#pragma omp parallel for num_threads(compute.threads_for(gate.size() * kExpCost)) \
    schedule(static)
  for (std::size_t i = 0; i < gate.size(); ++i) {
    gate[i] = gate[i] / (1.0f + std::exp(-gate[i])) * up[i];
  }
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

Routing route_softmax_top_k(const std::vector<float>& router_logits, std::size_t num_experts,
                            std::size_t experts_per_token) {
  Routing routing{.experts_per_token = experts_per_token};
  std::vector<float> probabilities(num_experts);
  std::vector<std::int32_t> order(num_experts);
  for (std::size_t first = 0; first < router_logits.size(); first += num_experts) {
    const float* logits = router_logits.data() + first;
    const float largest = *std::max_element(logits, logits + num_experts);
    float sum = 0.0f;
    for (std::size_t e = 0; e < num_experts; ++e) {
      probabilities[e] = std::exp(logits[e] - largest);
      sum += probabilities[e];
    }
    for (float& probability : probabilities) probability /= sum;
    std::iota(order.begin(), order.end(), 0);
    const auto last = order.begin() + static_cast<std::ptrdiff_t>(experts_per_token);
    std::partial_sort(order.begin(), last, order.end(), [&](std::int32_t a, std::int32_t b) {
      const float left = probabilities[static_cast<std::size_t>(a)];
      const float right = probabilities[static_cast<std::size_t>(b)];
      return left != right ? left > right : a < b;
    });
    float kept = 0.0f;
    for (auto it = order.begin(); it != last; ++it) {
      kept += probabilities[static_cast<std::size_t>(*it)];
    }
    for (auto it = order.begin(); it != last; ++it) {
      routing.experts.push_back(*it);
      routing.weights.push_back(probabilities[static_cast<std::size_t>(*it)] / kept);
    }
  }
  return routing;
}

Result<Experts> Experts::load(const MoeSpec& spec, const models::WeightSource& source) {
  Experts loaded;
  loaded.experts_per_token_ = spec.experts_per_token;
  TRINE_ASSIGN_OR_RETURN(loaded.router_, Linear::load(spec.router, source));
  for (const ExpertSpec& expert : spec.experts) {
    Expert& target = loaded.experts_.emplace_back();
    TRINE_ASSIGN_OR_RETURN(target.gate_proj, Linear::load(expert.gate_proj, source));
    TRINE_ASSIGN_OR_RETURN(target.up_proj, Linear::load(expert.up_proj, source));
    TRINE_ASSIGN_OR_RETURN(target.down_proj, Linear::load(expert.down_proj, source));
  }
  return loaded;
}

Routing Experts::apply(Compute& compute, const float* inputs, std::size_t num_tokens,
                       float* stream) const {
  const std::size_t hidden = router_.in_features();
  std::vector<float> router_logits(num_tokens * experts_.size());
  multiply(compute, std::array{LinearCall{&router_, router_logits.data()}}, inputs, num_tokens);
  Routing routing = route_softmax_top_k(router_logits, experts_.size(), experts_per_token_);

  const auto groups = group_by_expert(routing, experts_.size());
  for (std::size_t index = 0; index < experts_.size(); ++index) {
    const auto& group = groups[index];
    if (group.empty()) continue;
    const Expert& expert = experts_[index];
    const std::vector<float> rows = gather_rows(inputs, hidden, group);
    std::vector<float> gate(group.size() * expert.gate_proj.out_features());
    std::vector<float> up(gate.size());
    multiply(compute,
             std::array{LinearCall{&expert.gate_proj, gate.data()},
                        LinearCall{&expert.up_proj, up.data()}},
             rows.data(), group.size());
    swiglu(compute, gate, up);
    std::vector<float> outputs(group.size() * hidden);
    multiply(compute, std::array{LinearCall{&expert.down_proj, outputs.data()}}, gate.data(),
             group.size());
    for (std::size_t i = 0; i < group.size(); ++i) {
      float* target = stream + group[i].token * hidden;
      for (std::size_t c = 0; c < hidden; ++c) {
        target[c] += group[i].weight * outputs[i * hidden + c];
      }
    }
  }
  return routing;
}

double Experts::active_bytes() const {
  double all = 0.0;
  for (const Expert& expert : experts_) {
    all += static_cast<double>(expert.gate_proj.stored_bytes() + expert.up_proj.stored_bytes() +
                               expert.down_proj.stored_bytes());
  }
  const double share =
      static_cast<double>(experts_per_token_) / static_cast<double>(experts_.size());
  return all * share + static_cast<double>(router_.stored_bytes());
}

}  // namespace trine::runtime
