#include "compress/residual.h"

namespace trine::compress {

std::vector<float> without_factors(MatrixView weights, const LowRankFactors& factors,
                                   int threads) {
  std::vector<float> values(weights.values.begin(), weights.values.end());
  if (factors.rank > 0) subtract_low_rank(values, factors, threads);
  return values;
}

std::vector<float> without_codes(MatrixView weights, const QuantizedMatrix& codes,
                                 int threads) {
  std::vector<float> values = dequantized(codes, threads);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = weights.values[i] - values[i];
  return values;
}

double squared_norm(MatrixView weights) {
  double sum = 0.0;
  for (const float value : weights.values) {
    sum += static_cast<double>(value) * static_cast<double>(value);
  }
  return sum;
}

double squared_norm(const std::vector<float>& values) {
  return squared_norm(MatrixView{1, values.size(), values});
}

bool has_converged(const std::vector<double>& trace) {
  constexpr std::size_t kWindow = 3;
  constexpr double kSmallestGain = 1e-4;
  if (trace.size() < kWindow + 1) return false;
  const auto mean = [&](std::size_t last) {
    return (trace[last] + trace[last - 1] + trace[last - 2]) / 3.0;
  };
  const double now = mean(trace.size() - 1), before = mean(trace.size() - 2);
  return before - now < kSmallestGain * before;
}

}  // namespace trine::compress
