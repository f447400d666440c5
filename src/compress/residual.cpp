#include "compress/residual.h"

#include <algorithm>

#include "kernels/lanes.h"
#include "kernels/linalg/dense_algebra.h"

namespace trine::compress {
namespace {

using EightDoubles = double __attribute__((vector_size(64)));
using EightFloats = float __attribute__((vector_size(32)));

/// Σ (values − others)² in double, eight sums side by side.
TRINE_EVERY_WIDTH double squared_distance(const float* values, const float* others,
                                          std::size_t count) {
  EightDoubles sums = {};
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

TRINE_EVERY_WIDTH void relax_row(const float* weights, const float* rest, const float* numbers,
                                 float relaxation, std::span<float> target) {
  for (std::size_t i = 0; i < target.size(); ++i) {
    target[i] = (weights[i] - numbers[i]) + relaxation * (rest[i] - numbers[i]);
  }
}

/// Calls visit(row, its numbers) for every row, rows divided among threads.
template <class Visit>
void for_each_row(const QuantizedMatrix& codes, int threads, Visit visit) {
#pragma omp parallel num_threads(threads)
  {
    std::vector<float> numbers(codes.cols);
#pragma omp for schedule(static)
    for (std::size_t row = 0; row < codes.rows; ++row) {
      dequantize_row(codes, row, numbers);
      visit(row, numbers.data());
    }
  }
}

double in_order(const std::vector<double>& sums) {
  double total = 0.0;
  for (const double sum : sums) total += sum;
  return total;
}

}  // namespace

void subtract_factors(MatrixView weights, const LowRankFactors& factors, int threads,
                      std::vector<float>& target) {
  target.resize(weights.values.size());
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t row = 0; row < weights.rows; ++row) {
    std::ranges::copy(weights.row(row),
                      target.begin() + static_cast<std::ptrdiff_t>(row * weights.cols));
  }
  if (factors.rank > 0) subtract_low_rank(target, factors, threads);
}

std::vector<float> without_factors(MatrixView weights, const LowRankFactors& factors,
                                   int threads) {
  std::vector<float> values;
  subtract_factors(weights, factors, threads, values);
  return values;
}

std::vector<float> without_codes(MatrixView weights, const QuantizedMatrix& codes,
                                 int threads) {
  std::vector<float> values(weights.values.size());
  relax(weights, weights, codes, 0.0f, threads, values);
  return values;
}

double squared_error(MatrixView values, const QuantizedMatrix& codes, int threads) {
  std::vector<double> sums(values.rows);
  for_each_row(codes, threads, [&](std::size_t row, const float* numbers) {
    sums[row] = squared_distance(values.row(row).data(), numbers, values.cols);
  });
  return in_order(sums);
}

void relax(MatrixView weights, MatrixView rest, const QuantizedMatrix& codes, float relaxation,
           int threads, std::vector<float>& target) {
  target.resize(weights.values.size());
  for_each_row(codes, threads, [&](std::size_t row, const float* numbers) {
    relax_row(weights.row(row).data(), rest.row(row).data(), numbers, relaxation,
              std::span(target).subspan(row * weights.cols, weights.cols));
  });
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
