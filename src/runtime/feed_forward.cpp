#include "runtime/feed_forward.h"

#include <algorithm>
#include <array>
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

/// Applies the activation to `gate`; an empty `up` counts as ones.
void activate(Compute& compute, Activation activation, float limit, std::vector<float>& gate,
              const std::vector<float>& up) {
  constexpr std::size_t kExpCost = 16;     // one exponential, in multiplications
  constexpr std::size_t kTogether = 4096;  // elements
  const int threads = compute.threads_for(gate.size() * kExpCost);
  Gate* const function = kGates[static_cast<std::size_t>(activation)];
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t first = 0; first < gate.size(); first += kTogether) {
    function(gate.data() + first, up.empty() ? nullptr : up.data() + first,
             std::min(kTogether, gate.size() - first), limit);
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
