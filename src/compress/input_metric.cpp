#include "compress/input_metric.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/result.h"
#include "kernels/linalg/dense_algebra.h"

namespace trine::compress {
namespace {

constexpr std::size_t kMetricPanelRows = 32;

/// product [rows, cols] = b · H for rows of `b` from `first` on.
void apply_blocks(MatrixView b, std::size_t first, std::size_t rows,
                  const InputMoments& moments, std::vector<float>& product) {
  const float* block = moments.blocks.data();
  for (std::size_t col = 0; col < b.cols; col += moments.block_size) {
    const std::size_t size = std::min(moments.block_size, b.cols - col);
    kernels::multiply(rows, size, size, {b.values.data() + first * b.cols + col, b.cols},
                      {block, size}, {product.data() + col, b.cols});
    block += size * size;
  }
}

}  // namespace

double inner_product(MatrixView a, MatrixView b, const InputMoments& moments, int threads) {
  check(a.rows == b.rows && a.cols == b.cols, "inner_product: matrices of different shapes");
  const bool has_blocks = moments.block_size > 0;
  std::vector<double> sums(a.rows);
#pragma omp parallel num_threads(threads)
  {
    std::vector<float> product(has_blocks ? kMetricPanelRows * a.cols : 0);
#pragma omp for schedule(static)
    for (std::size_t first = 0; first < a.rows; first += kMetricPanelRows) {
      const std::size_t rows = std::min(kMetricPanelRows, a.rows - first);
      if (has_blocks) apply_blocks(b, first, rows, moments, product);
      for (std::size_t row = 0; row < rows; ++row) {
        const auto left = a.row(first + row), right = b.row(first + row);
        double sum = 0.0;
        for (std::size_t col = 0; col < a.cols; ++col) {
          double other = right[col];
          if (has_blocks) {
            other = product[row * a.cols + col];
          } else if (!moments.diagonal.empty()) {
            other *= moments.diagonal[col];
          }
          sum += left[col] * other;
        }
        sums[first + row] = sum;
      }
    }
  }
  double total = 0.0;
  for (const double sum : sums) total += sum;
  return total;
}

InputMetric::InputMetric(const InputMoments& moments, std::size_t cols)
    : cols_(cols), block_size_(moments.block_size) {
  if (block_size_ == 0) {
    for (const float moment : moments.diagonal) roots_.push_back(std::sqrt(moment));
    return;
  }
  constexpr double kDamping = 1e-4;
  const float* block = moments.blocks.data();
  for (std::size_t first = 0; first < cols; first += block_size_) {
    const std::size_t size = std::min(block_size_, cols - first);
    const auto root = kernels::damped_cholesky({block, block + size * size}, size, kDamping);
    roots_.insert(roots_.end(), root.begin(), root.end());
    block += size * size;
  }
}

std::vector<float> InputMetric::whitened(std::vector<float> values, int threads) const {
  if (is_plain()) return values;
  const std::size_t rows = values.size() / cols_;
  if (block_size_ == 0) {
    for (std::size_t i = 0; i < values.size(); ++i) values[i] *= roots_[i % cols_];
    return values;
  }
  std::vector<float> product(values.size());
  const float* root = roots_.data();
  for (std::size_t first = 0; first < cols_; first += block_size_) {
    const std::size_t size = std::min(block_size_, cols_ - first);
    kernels::multiply_parallel(
        {rows, size, size, kernels::Transposed::kNo, kernels::Transposed::kNo},
        {values.data() + first, cols_}, {root, size}, {1.0f, 0.0f},
        {product.data() + first, cols_}, threads);
    root += size * size;
  }
  return product;
}

std::vector<float> InputMetric::unwhitened(std::vector<float> values, int threads) const {
  if (is_plain()) return values;
  const std::size_t rows = values.size() / cols_;
  if (block_size_ == 0) {
    for (std::size_t i = 0; i < values.size(); ++i) values[i] /= roots_[i % cols_];
    return values;
  }
  const float* root = roots_.data();
  for (std::size_t first = 0; first < cols_; first += block_size_) {
    const std::size_t size = std::min(block_size_, cols_ - first);
    kernels::divide_by_lower(rows, size, {root, size}, {values.data() + first, cols_}, threads);
    root += size * size;
  }
  return values;
}

}  // namespace trine::compress
