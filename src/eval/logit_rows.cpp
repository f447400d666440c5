#include "eval/logit_rows.h"

#include <algorithm>
#include <cmath>

namespace trine::eval {

double log_sum_exp(std::span<const float> logits) {
  const float largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0.0;
  for (const float logit : logits) sum += std::exp(logit - largest);
  return std::log(sum) + largest;
}

std::size_t argmax(std::span<const float> logits) {
  return static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) -
                                  logits.begin());
}

double kl_divergence(std::span<const float> original, double original_sum,
                     std::span<const float> compressed, double compressed_sum) {
  double divergence = 0.0;
  for (std::size_t i = 0; i < original.size(); ++i) {
    const auto log_original = static_cast<float>(original[i] - original_sum);
    const auto log_compressed = static_cast<float>(compressed[i] - compressed_sum);
    divergence += static_cast<double>(std::exp(log_original)) * (log_original - log_compressed);
  }
  return divergence;
}

}  // namespace trine::eval
