#include "compress/input_metric.h"

#include <algorithm>
#include <vector>

#include "base/result.h"
#include "kernels/linalg/blas.h"

namespace trine::compress {
namespace {

constexpr std::size_t kPanelRows = 32;

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
    std::vector<float> product(has_blocks ? kPanelRows * a.cols : 0);
#pragma omp for schedule(static)
    for (std::size_t first = 0; first < a.rows; first += kPanelRows) {
      const std::size_t rows = std::min(kPanelRows, a.rows - first);
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

}  // namespace trine::compress
