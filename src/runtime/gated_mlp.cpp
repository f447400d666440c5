#include "runtime/gated_mlp.h"

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

/// gate = activation(gate, up), element by element.
void activate(Compute& compute, Activation activation, float limit, std::vector<float>& gate,
              const std::vector<float>& up) {
  constexpr std::size_t kExpCost = 16;  // one exponential, in multiplications
  const int threads = compute.threads_for(gate.size() * kExpCost);
  const auto function = activation == Activation::kSilu ? silu_gate : clamped_swish_gate;
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t i = 0; i < gate.size(); ++i) gate[i] = function(gate[i], up[i], limit);
}

}  // namespace

Result<GatedMlp> GatedMlp::load(const ExpertSpec& spec, const ModelSpec& model,
                                const models::WeightSource& source) {
  GatedMlp mlp;
  mlp.activation_ = model.activation;
  mlp.limit_ = static_cast<float>(model.activation_limit);
  TRINE_ASSIGN_OR_RETURN(mlp.gate_proj_, Linear::load(spec.gate_proj, source));
  TRINE_ASSIGN_OR_RETURN(mlp.up_proj_, Linear::load(spec.up_proj, source));
  TRINE_ASSIGN_OR_RETURN(mlp.down_proj_, Linear::load(spec.down_proj, source));
  return mlp;
}

std::vector<float> GatedMlp::apply(Compute& compute, const float* inputs,
                                   std::size_t num_tokens) const {
  std::vector<float> gate(num_tokens * gate_proj_.out_features());
  std::vector<float> up(gate.size());
  multiply(compute,
           std::array{LinearCall{&gate_proj_, gate.data()}, LinearCall{&up_proj_, up.data()}},
           inputs, num_tokens);
  activate(compute, activation_, limit_, gate, up);
  std::vector<float> outputs(num_tokens * down_proj_.out_features());
  multiply(compute, std::array{LinearCall{&down_proj_, outputs.data()}}, gate.data(),
           num_tokens);
  return outputs;
}

}  // namespace trine::runtime
