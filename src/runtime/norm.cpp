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

}  // namespace trine::runtime
