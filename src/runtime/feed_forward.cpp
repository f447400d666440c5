#include "runtime/feed_forward.h"

#include <algorithm>
#include <cmath>

#include "kernels/gates.h"

namespace trine::runtime {
namespace {

/// gate[i] = activation(gate[i], up[i]) for `count` elements; `up` null counts as ones.
using Gate = void(float* gate, const float* up, std::size_t count, float limit);

void silu(float* gate, const float* up, std::size_t count, float) {
  kernels::apply_silu(gate, up, count);
}

void clamped_swish(float* gate, const float* up, std::size_t count, float limit) {
  constexpr float kSlope = 1.702f;
  for (std::size_t i = 0; i < count; ++i) {
    const float limited = std::min(gate[i], limit);
    const float opened = std::clamp(up == nullptr ? 1.0f : up[i], -limit, limit) + 1.0f;
    gate[i] = limited / (1.0f + std::exp(-kSlope * limited)) * opened;
  }
}

void relu(float* gate, const float* up, std::size_t count, float) {
  for (std::size_t i = 0; i < count; ++i) {
    gate[i] = std::max(gate[i], 0.0f) * (up == nullptr ? 1.0f : up[i]);
  }
}

/// In the order of Activation.
constexpr Gate* kGates[] = {silu, clamped_swish, relu};

/// Applies the activation to `count` numbers of `gate`; `up` null counts as ones.
void activate(Compute& compute, Gate* function, float limit, float* gate, const float* up,
              std::size_t count) {
  constexpr std::size_t kExpCost = 16;     // one exponential, in multiplications
  constexpr std::size_t kTogether = 4096;  // elements
  const std::size_t parts = (count + kTogether - 1) / kTogether;
  compute.for_each(parts, count * kExpCost, [&](std::size_t part) {
    const std::size_t first = part * kTogether;
    function(gate + first, up == nullptr ? nullptr : up + first,
             std::min(kTogether, count - first), limit);
  });
}

}  // namespace

Result<FeedForward> FeedForward::load(const ExpertSpec& spec, const ModelSpec& model,
                                      const models::WeightSource& source) {
  FeedForward mlp;
  mlp.activation_ = model.activation;
  mlp.limit_ = static_cast<float>(model.activation_limit);
  TRINE_ASSIGN_OR_RETURN(mlp.gate_proj_, Linear::load(spec.gate_proj, source));
  TRINE_ASSIGN_OR_RETURN(mlp.up_proj_, Linear::load(spec.up_proj, source));
  TRINE_ASSIGN_OR_RETURN(mlp.down_proj_, Linear::load(spec.down_proj, source));
  return mlp;
}

void FeedForward::apply(Compute& compute, std::span<const FeedForwardBatch> batches) {
  /// Calls and numbers of one batch between the two steps.
  struct Step {
    float* gate = nullptr;
    float* up = nullptr;  // null without a gate: up_proj takes its place
    std::vector<LinearCall> calls{};
  };
  std::size_t count = 0;
  for (const FeedForwardBatch& batch : batches) count += batch.num_tokens * batch.mlp->width();
  float* numbers = compute.between_steps(count);
  std::vector<Step> steps(batches.size());
  std::vector<LinearBatch> linear;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    const FeedForwardBatch& batch = batches[i];
    const FeedForward& mlp = *batch.mlp;
    Step& step = steps[i];
    step.gate = numbers;
    if (mlp.gate_proj_.exists()) {
      step.up = numbers + batch.num_tokens * mlp.up_proj_.out_features();
      step.calls = {{&mlp.gate_proj_, step.gate}, {&mlp.up_proj_, step.up}};
    } else {
      step.calls = {{&mlp.up_proj_, step.gate}};
    }
    numbers += batch.num_tokens * mlp.width();
    linear.push_back({step.calls, batch.inputs, batch.num_tokens});
  }
  multiply(compute, linear);
  linear.clear();
  for (std::size_t i = 0; i < batches.size(); ++i) {
    const FeedForward& mlp = *batches[i].mlp;
    Step& step = steps[i];
    activate(compute, kGates[static_cast<std::size_t>(mlp.activation_)], mlp.limit_, step.gate,
             step.up, batches[i].num_tokens * mlp.up_proj_.out_features());
    step.calls = {{&mlp.down_proj_, batches[i].outputs}};
    linear.push_back({step.calls, step.gate, batches[i].num_tokens});
  }
  multiply(compute, linear);
}

std::vector<float> FeedForward::apply(Compute& compute, const float* inputs,
                                      std::size_t num_tokens) const {
  std::vector<float> outputs(num_tokens * down_proj_.out_features());
  const FeedForwardBatch batch{this, inputs, outputs.data(), num_tokens};
  apply(compute, std::span(&batch, 1));
  return outputs;
}

}  // namespace trine::runtime
