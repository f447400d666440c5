#include "eval/certificate_bounds.h"

#include <algorithm>
#include <cmath>

#include "kernels/linalg/blas.h"

namespace trine::eval {
namespace {

/// Squarings of AAᵀ: (AAᵀ)^16.
constexpr int kSquarings = 4;

/// fl(M·Mᵀ) divided by its Frobenius norm; `norm` becomes that norm.
std::vector<float> gram(const std::vector<float>& matrix, std::size_t rows, std::size_t cols,
                        double& norm) {
  std::vector<float> product(rows * rows);
  kernels::multiply_transposed(rows, rows, cols, 1.0f, {matrix.data(), cols},
                               {matrix.data(), cols}, {product.data(), rows});
  norm = norm_of(product);
  if (norm > 0.0) {
    const auto factor = static_cast<float>(1.0 / norm);
    for (float& value : product) value *= factor;
  }
  return product;
}

/// The smaller side first, at Frobenius norm 1.
std::vector<float> shortened(const float* values, std::size_t& rows, std::size_t& cols,
                             double norm) {
  std::vector<float> matrix(rows * cols);
  const bool is_turned = rows > cols;
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < cols; ++c) {
      const std::size_t at = is_turned ? c * rows + r : r * cols + c;
      matrix[at] = static_cast<float>(values[r * cols + c] / norm);
    }
  }
  if (is_turned) std::swap(rows, cols);
  return matrix;
}

}  // namespace

double norm_of(std::span<const float> values) noexcept {
  double squares = 0.0;
  for (const float value : values) squares += double{value} * value;
  return std::sqrt(squares);
}

double spectral_bound(const float* values, std::size_t rows, std::size_t cols) {
  const double norm = norm_of({values, rows * cols});
  if (norm == 0.0) return 0.0;
  std::vector<float> matrix = shortened(values, rows, cols, norm);
  // Every matrix has Frobenius norm 1 when it is multiplied, so the computed product is off by at
  // most (depth + 4) roundings, the division by its norm included: ‖M‖² ≤ norm·‖next‖ + slack.
  std::vector<double> norms, slacks;
  for (int squaring = 0; squaring <= kSquarings; ++squaring) {
    double length = 0.0;
    slacks.push_back(static_cast<double>(cols + 4) * kRoundoff * 1.01);
    matrix = gram(matrix, rows, cols, length);
    norms.push_back(length);
    cols = rows;
  }
  double bound = 1.0;  // of the last matrix, whose Frobenius norm is 1
  for (std::size_t i = norms.size(); i-- > 0;) {
    bound = std::sqrt(norms[i] * bound * (1.0 + 4.0 * kRoundoff) + slacks[i]);
  }
  return norm * std::min(bound, 1.0) * (1.0 + 4.0 * kRoundoff);
}

double normalized_radius(double length, double radius, std::size_t width) noexcept {
  if (radius <= 0.0) return 0.0;
  const double chord =
      radius >= length ? 2.0 : 2.0 * std::sin(0.5 * std::asin(radius / length));
  return std::sqrt(static_cast<double>(width)) * chord;
}

double softmax_change(double change) noexcept { return 2.0 * std::tanh(0.5 * change); }

double silu(double gate) noexcept { return gate / (1.0 + std::exp(-gate)); }

double silu_change(double gate, double radius) noexcept {
  constexpr double kLowestAt = -1.2784645427610738;
  constexpr double kLowest = -0.27846454276107380;  // silu there, rounded away from zero
  const double here = silu(gate);
  const double left = silu(gate - radius);
  const double right = silu(gate + radius);
  const bool has_lowest = gate - radius < kLowestAt && kLowestAt < gate + radius;
  const double lowest = has_lowest ? kLowest : std::min(left, right);
  return std::max(std::max(left, right) - here, here - lowest);
}

double deviation_factor(double probability) noexcept {
  return std::sqrt(2.0 * std::log(2.0 / probability));
}

}  // namespace trine::eval
