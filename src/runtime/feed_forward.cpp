#include "runtime/feed_forward.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace trine::runtime {
namespace {

/// silu(x) = x / (1 + e^−x)
float silu_gate(float gate, float up, float) { return gate / (1.0f + std::exp(-gate)) * up; }

float clamped_swish_gate(float gate, float up, float limit) {
  constexpr float kSlope = 1.702f;
  const float limited = std::min(gate, limit);
  const float opened = std::clamp(up, -limit, limit) + 1.0f;
  return limited / (1.0f + std::exp(-kSlope * limited)) * opened;
}

float relu_gate(float gate, float up, float) { return std::max(gate, 0.0f) * up; }

using Gate = float(float, float, float);

/// In the order of Activation.
constexpr Gate* kGates[] = {silu_gate, clamped_swish_gate, relu_gate};

/// gate = activation(gate, up), element by element; an empty `up` counts as ones.
void activate(Compute& compute, Activation activation, float limit, std::vector<float>& gate,
              const std::vector<float>& up) {
  constexpr std::size_t kExpCost = 16;  // one exponential, in multiplications
  const int threads = compute.threads_for(gate.size() * kExpCost);
  Gate* const function = kGates[static_cast<std::size_t>(activation)];
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t i = 0; i < gate.size(); ++i) {
    gate[i] = function(gate[i], up.empty() ? 1.0f : up[i], limit);
  }
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

std::vector<float> FeedForward::apply(Compute& compute, const float* inputs,
                                      std::size_t num_tokens) const {
  std::vector<float> gate(num_tokens * up_proj_.out_features());
  std::vector<float> up;  // stays empty without a gate: then up_proj takes its place
  if (gate_proj_.exists()) {
    up.resize(gate.size());
    multiply(compute,
             std::array{LinearCall{&gate_proj_, gate.data()}, LinearCall{&up_proj_, up.data()}},
             inputs, num_tokens);
  } else {
    multiply(compute, std::array{LinearCall{&up_proj_, gate.data()}}, inputs, num_tokens);
  }
  activate(compute, activation_, limit_, gate, up);
  std::vector<float> outputs(num_tokens * down_proj_.out_features());
  multiply(compute, std::array{LinearCall{&down_proj_, outputs.data()}}, gate.data(),
           num_tokens);
  return outputs;
}

}  // namespace trine::runtime
