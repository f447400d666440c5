#include "kernels/linalg/thin_products.h"

#include <cblas.h>

#include <algorithm>

#include "base/dtype.h"
#include "kernels/lanes.h"
#include "kernels/linalg/blas.h"
#include "kernels/linalg/thin_products_bf16.h"

namespace trine::kernels {
namespace {

constexpr std::size_t kPanelRows = 64;
constexpr std::size_t kPanelCols = 1024;

int as_int(std::size_t value) { return static_cast<int>(value); }

TRINE_EVERY_WIDTH void widen(const std::uint16_t* narrow, std::size_t count, float* values) {
  for (std::size_t i = 0; i < count; ++i) values[i] = bf16_to_float(narrow[i]);
}

/// Rows [first, first + rows) of some columns in fp32, [rows, cols].
void widen_panel(const Bf16Matrix& matrix, std::size_t first_row, std::size_t rows,
                 std::size_t first_col, std::size_t cols, std::vector<float>& panel) {
  panel.resize(rows * cols);
  for (std::size_t row = 0; row < rows; ++row) {
    widen(matrix.row(first_row + row) + first_col, cols, panel.data() + row * cols);
  }
}

void times(const Bf16Matrix& matrix, std::span<const float> right, std::size_t rank,
           std::span<float> product, int threads) {
  stay_on_calling_thread();
  const std::size_t panels = (matrix.rows() + kPanelRows - 1) / kPanelRows;
#pragma omp parallel num_threads(threads)
  {
    std::vector<float> wide;
#pragma omp for schedule(dynamic)
    for (std::size_t panel = 0; panel < panels; ++panel) {
      const std::size_t first = panel * kPanelRows;
      const std::size_t rows = std::min(kPanelRows, matrix.rows() - first);
      for (std::size_t col = 0; col < matrix.cols(); col += kPanelCols) {
        const std::size_t cols = std::min(kPanelCols, matrix.cols() - col);
        widen_panel(matrix, first, rows, col, cols, wide);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, as_int(rank), as_int(rows),
                    as_int(cols), 1.0f, right.data() + col, as_int(matrix.cols()), wide.data(),
                    as_int(cols), col == 0 ? 0.0f : 1.0f, product.data() + first,
                    as_int(matrix.rows()));
      }
    }
  }
}

void transposed_times(const Bf16Matrix& matrix, std::span<const float> left, std::size_t rank,
                      std::span<float> product, int threads) {
  stay_on_calling_thread();
  const std::size_t panels = (matrix.cols() + kPanelCols - 1) / kPanelCols;
#pragma omp parallel num_threads(threads)
  {
    std::vector<float> wide;
#pragma omp for schedule(dynamic)
    for (std::size_t panel = 0; panel < panels; ++panel) {
      const std::size_t first = panel * kPanelCols;
      const std::size_t cols = std::min(kPanelCols, matrix.cols() - first);
      for (std::size_t row = 0; row < matrix.rows(); row += kPanelRows) {
        const std::size_t rows = std::min(kPanelRows, matrix.rows() - row);
        widen_panel(matrix, row, rows, first, cols, wide);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, as_int(rank), as_int(cols),
                    as_int(rows), 1.0f, left.data() + row, as_int(matrix.rows()), wide.data(),
                    as_int(cols), row == 0 ? 0.0f : 1.0f, product.data() + first,
                    as_int(matrix.cols()));
      }
    }
  }
}

constexpr ThinProducts kOpenBlas{"openblas", times, transposed_times};

}  // namespace

std::span<const ThinProducts* const> runnable_thin_products() {
  static const std::vector<const ThinProducts*> found = [] {
    std::vector<const ThinProducts*> list{&kOpenBlas};
    if (has_bf16_dot()) list.push_back(&kBf16ThinProducts);
    return list;
  }();
  return found;
}

}  // namespace trine::kernels
