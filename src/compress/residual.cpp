#include "compress/residual.h"

#include <algorithm>
#include <cstring>

#include "kernels/lanes.h"
#include "kernels/linalg/subtracted_product.h"

namespace trine::compress {
namespace {

using EightDoubles = double __attribute__((vector_size(64)));
using EightFloats = float __attribute__((vector_size(32)));

}  // namespace

TRINE_EVERY_WIDTH double squared_distance(const float* values, const float* others,
                                          std::size_t count) {
  EightDoubles sums = {};  // side by side
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    EightFloats value, other;
    std::memcpy(&value, values + i, sizeof value);
    std::memcpy(&other, others + i, sizeof other);
    const EightDoubles wide = __builtin_convertvector(value - other, EightDoubles);
    sums += wide * wide;
  }
  double sum =
      ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
  for (; i < count; ++i) {
    const double difference = static_cast<double>(values[i] - others[i]);
    sum += difference * difference;
  }
  return sum;
}

kernels::CodedRow coded_row(const QuantizedMatrix& matrix, std::size_t row,
                            std::size_t first_col, std::size_t count) {
  const std::size_t group = row * matrix.num_groups() + first_col / matrix.group_size;
  return {matrix.codes.data() + row * matrix.cols + first_col, matrix.scales.data() + group,
          matrix.zeros.data() + group, matrix.group_size, count};
}

double in_order(const std::vector<double>& sums) {
  double total = 0.0;
  for (const double sum : sums) total += sum;
  return total;
}

std::vector<float> without_factors(MatrixView weights, const LowRankFactors& factors,
                                   int threads) {
  std::vector<float> values(weights.values.size());
  const kernels::SubtractedProduct product(
      factors, kernels::SubtractedProduct::Precision::kSingle, threads);
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t row = 0; row < weights.rows; ++row) {
    product.subtract(weights, {row, 0, 1, weights.cols}, values.data() + row * weights.cols);
  }
  return values;
}

std::vector<float> without_codes(MatrixView weights, const QuantizedMatrix& codes,
                                 int threads) {
  std::vector<float> values = dequantized(codes, threads);
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = weights.values[i] - values[i];
  return values;
}

double squared_norm(MatrixView weights, int threads) {
  const std::vector<float> nothing(weights.cols);
  std::vector<double> sums(weights.rows);
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t row = 0; row < weights.rows; ++row) {
    sums[row] = squared_distance(weights.row(row).data(), nothing.data(), weights.cols);
  }
  return in_order(sums);
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
