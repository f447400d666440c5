#include "runtime/norm.h"

#include <cmath>

namespace trine::runtime {

void rms_norm(const float* inputs, std::size_t num_tokens, std::span<const float> weight,
              double eps, float* outputs) {
  const std::size_t width = weight.size();
  for (std::size_t token = 0; token < num_tokens; ++token) {
    const float* input = inputs + token * width;
    double squares = 0.0;
    for (std::size_t i = 0; i < width; ++i) squares += static_cast<double>(input[i]) * input[i];
    const auto factor =
        static_cast<float>(1.0 / std::sqrt(squares / static_cast<double>(width) + eps));
    for (std::size_t i = 0; i < width; ++i) {
      outputs[token * width + i] = input[i] * factor * weight[i];
    }
  }
}

void layer_norm(const float* inputs, std::size_t num_tokens, std::span<const float> weight,
                std::span<const float> bias, double eps, float* outputs) {
  const std::size_t width = weight.size();
  for (std::size_t token = 0; token < num_tokens; ++token) {
    const float* input = inputs + token * width;
    double sum = 0.0;
    for (std::size_t i = 0; i < width; ++i) sum += input[i];
    const double mean = sum / static_cast<double>(width);
    double squares = 0.0;
    for (std::size_t i = 0; i < width; ++i) squares += (input[i] - mean) * (input[i] - mean);
    const double factor = 1.0 / std::sqrt(squares / static_cast<double>(width) + eps);
    for (std::size_t i = 0; i < width; ++i) {
      const auto centred = static_cast<float>((input[i] - mean) * factor);
      outputs[token * width + i] = centred * weight[i] + bias[i];
    }
  }
}

Result<Norm> Norm::load(const NormSpec& spec, double eps, const models::WeightSource& source) {
  Norm norm;
  norm.eps_ = spec.eps.value_or(eps);
  if (spec.weight.exists()) {
    TRINE_ASSIGN_OR_RETURN(norm.weight_, source.vector(spec.weight));
  }
  if (spec.bias.exists()) {
    TRINE_ASSIGN_OR_RETURN(norm.bias_, source.vector(spec.bias));
  }
  return norm;
}

void Norm::apply(const float* inputs, std::size_t num_rows, float* outputs) const {
  if (!exists()) return;
  if (bias_.empty()) return rms_norm(inputs, num_rows, weight_, eps_, outputs);
  layer_norm(inputs, num_rows, weight_, bias_, eps_, outputs);
}

}  // namespace trine::runtime
