#include "compress/quantizers/error_feedback.h"

#include <algorithm>
#include <numeric>

#include "kernels/linalg/dense_algebra.h"

namespace trine::compress {
namespace {

/// The moments with rows and columns in `order`.
std::vector<double> ordered(std::span<const float> moments,
                            std::span<const std::uint32_t> order) {
  const std::size_t size = order.size();
  std::vector<double> matrix(size * size);
  for (std::size_t row = 0; row < size; ++row) {
    for (std::size_t col = 0; col < size; ++col) {
      matrix[row * size + col] = static_cast<double>(moments[order[row] * size + order[col]]);
    }
  }
  return matrix;
}

}  // namespace

ErrorFeedback::ErrorFeedback(std::span<const float> moments, std::vector<std::uint32_t> order,
                             double damping)
    : order_(std::move(order)), shares_(order_.size() * order_.size()), costs_(order_.size()) {
  const std::size_t size = order_.size();
  std::vector<double> inverse = kernels::inverse_from_cholesky(
      kernels::damped_cholesky(ordered(moments, order_), size, damping), size);
  // H⁻¹ = lower · lowerᵀ, so U = lowerᵀ.
  check(kernels::cholesky(inverse, size), "error feedback: an inverse that is not positive");
  for (std::size_t row = 0; row < size; ++row) {
    const double diagonal = inverse[row * size + row];
    costs_[row] = static_cast<float>(1.0 / (diagonal * diagonal));
    for (std::size_t col = row; col < size; ++col) {
      shares_[row * size + col] = static_cast<float>(inverse[col * size + row] / diagonal);
    }
  }
}

std::vector<std::uint32_t> natural_order(std::size_t size) {
  std::vector<std::uint32_t> order(size);
  std::iota(order.begin(), order.end(), 0u);
  return order;
}

std::vector<std::uint32_t> largest_first(std::span<const float> moments, std::size_t size,
                                         std::size_t group_size) {
  std::vector<float> sums((size + group_size - 1) / group_size);
  for (std::size_t i = 0; i < size; ++i) sums[i / group_size] += moments[i * size + i];
  std::vector<std::uint32_t> order = natural_order(size);
  std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    const std::size_t group_a = a / group_size, group_b = b / group_size;
    if (group_a == group_b) return moments[a * size + a] > moments[b * size + b];
    if (sums[group_a] != sums[group_b]) return sums[group_a] > sums[group_b];
    return group_a < group_b;
  });
  return order;
}

}  // namespace trine::compress
