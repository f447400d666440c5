#include "kernels/linalg/dense_algebra.h"

#include <cblas.h>

#include <algorithm>
#include <cmath>

#include "base/result.h"

// LAPACK lies in the same library as BLAS; these are its Fortran entry points.
extern "C" {
void dsyevd_(const char* job, const char* triangle, const int* size, double* matrix,
             const int* stride, double* values, double* work, const int* work_size,
             int* integer_work, const int* integer_work_size, int* info);
void dpotrf_(const char* triangle, const int* size, double* matrix, const int* stride,
             int* info);
void dpotri_(const char* triangle, const int* size, double* matrix, const int* stride,
             int* info);
void dtrtri_(const char* triangle, const char* diagonal, const int* size, double* matrix,
             const int* stride, int* info);
}

namespace trine::kernels {
namespace {

constexpr std::size_t kPanelRows = 128;
constexpr std::size_t kLongPanelRows = 1024;  // of matrices with few columns

int as_int(std::size_t value) { return static_cast<int>(value); }

void mirror_lower(std::vector<double>& matrix, std::size_t size) {
  for (std::size_t row = 0; row < size; ++row) {
    for (std::size_t col = row + 1; col < size; ++col) {
      matrix[row * size + col] = matrix[col * size + row];
    }
  }
}

/// Σ over rows of values[row, i] · values[row, j].
std::vector<double> gram(const std::vector<double>& values, std::size_t rows,
                         std::size_t cols) {
  std::vector<double> product(cols * cols);
  // dsyrk does half the work of a product.
  cblas_dsyrk(CblasRowMajor, CblasLower, CblasTrans, as_int(cols), as_int(rows), 1.0,
              values.data(), as_int(cols), 0.0, product.data(), as_int(cols));
  mirror_lower(product, cols);
  return product;
}

/// values · (a matrix that makes the columns orthonormal), by eigenvectors of the Gram matrix:
/// slower than Cholesky, but it copes with dependent columns.
void orthonormalize_by_eigen(std::vector<double>& values, std::size_t rows, std::size_t cols) {
  constexpr double kDependent = 1e-12;  // of the largest eigenvalue: 1e-6 of the largest column
  const Eigen eigen = symmetric_eigen(gram(values, rows, cols), cols);
  const double largest = eigen.values.back();
  std::vector<double> transform(cols * cols);
  for (std::size_t i = 0; i < cols; ++i) {
    if (!(eigen.values[i] > kDependent * largest)) continue;
    const double factor = 1.0 / std::sqrt(eigen.values[i]);
    for (std::size_t j = 0; j < cols; ++j) {
      transform[j * cols + i] = eigen.vectors[i * cols + j] * factor;
    }
  }
  std::vector<double> result(rows * cols);
  cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, as_int(rows), as_int(cols),
              as_int(cols), 1.0, values.data(), as_int(cols), transform.data(), as_int(cols),
              0.0, result.data(), as_int(cols));
  values = std::move(result);
}

/// Replaces a Gram matrix by its Cholesky factor; false when what it was made of depends on each
/// other too much for Cholesky QR.
bool is_well_conditioned(std::vector<double>& gram, std::size_t size) {
  double largest = 0.0;
  for (std::size_t i = 0; i < size; ++i) largest = std::max(largest, gram[i * size + i]);
  if (!(largest > 0.0) || !cholesky(gram, size)) return false;
  for (std::size_t i = 0; i < size; ++i) {
    if (gram[i * size + i] < 1e-6 * std::sqrt(largest)) return false;
  }
  return true;
}

/// One pass of Cholesky QR; false when the columns depend on each other too much for it.
bool orthonormalize_by_cholesky(std::vector<double>& values, std::size_t rows, std::size_t cols,
                                int threads) {
  std::vector<double> factor = gram(values, rows, cols);
  if (!is_well_conditioned(factor, cols)) return false;
  const std::size_t panels = (rows + kLongPanelRows - 1) / kLongPanelRows;
#pragma omp parallel for num_threads(threads) schedule(dynamic)
  for (std::size_t panel = 0; panel < panels; ++panel) {
    const std::size_t first = panel * kLongPanelRows;
    cblas_dtrsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit,
                as_int(std::min(kLongPanelRows, rows - first)), as_int(cols), 1.0,
                factor.data(), as_int(cols), values.data() + first * cols, as_int(cols));
  }
  return true;
}

}  // namespace

void multiply_parallel(const ProductShape& shape, Operand left, Operand right,
                       Accumulation accumulation, Product product, int threads) {
  stay_on_calling_thread();
  const bool is_turned = shape.left == Transposed::kYes;
  // A panel of columns is read in pieces of a row each: long ones, or every piece is another page.
  const std::size_t panel_rows =
      is_turned && shape.depth > kLongPanelRows ? kLongPanelRows : kPanelRows;
  const std::size_t panels = (shape.rows + panel_rows - 1) / panel_rows;
#pragma omp parallel for num_threads(threads) schedule(dynamic)
  for (std::size_t panel = 0; panel < panels; ++panel) {
    const std::size_t first = panel * panel_rows;
    const std::size_t rows = std::min(panel_rows, shape.rows - first);
    cblas_sgemm(CblasRowMajor, is_turned ? CblasTrans : CblasNoTrans,
                shape.right == Transposed::kYes ? CblasTrans : CblasNoTrans, as_int(rows),
                as_int(shape.cols), as_int(shape.depth), accumulation.factor,
                left.data + (is_turned ? first : first * left.stride), as_int(left.stride),
                right.data, as_int(right.stride), accumulation.kept,
                product.data + first * product.stride, as_int(product.stride));
  }
}

std::vector<float> turned(const std::vector<float>& values, std::size_t rows) {
  const std::size_t cols = values.size() / rows;
  std::vector<float> result(values.size());
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t col = 0; col < cols; ++col) {
      result[col * rows + row] = values[row * cols + col];
    }
  }
  return result;
}

std::vector<double> gram_matrix(std::span<const float> values, std::size_t rows,
                                std::size_t cols, Transposed transposed) {
  check(values.size() == rows * cols, "gram_matrix: the values are not rows · cols");
  stay_on_calling_thread();
  const bool of_columns = transposed == Transposed::kYes;
  const std::size_t size = of_columns ? cols : rows, depth = of_columns ? rows : cols;
  std::vector<double> product(size * size);
  std::vector<double> panel(std::min(kLongPanelRows, depth) * size);
  for (std::size_t first = 0; first < depth; first += kLongPanelRows) {
    const std::size_t count = std::min(kLongPanelRows, depth - first);
    if (of_columns) {
      const auto part = values.subspan(first * cols, count * cols);
      std::copy(part.begin(), part.end(), panel.begin());
    } else {
      for (std::size_t row = 0; row < rows; ++row) {
        const float* part = values.data() + row * cols + first;
        std::copy_n(part, count, panel.data() + row * count);
      }
    }
    cblas_dsyrk(CblasRowMajor, CblasLower, of_columns ? CblasTrans : CblasNoTrans, as_int(size),
                as_int(count), 1.0, panel.data(), as_int(of_columns ? size : count), 1.0,
                product.data(), as_int(size));
  }
  mirror_lower(product, size);
  return product;
}

void orthonormalize(std::vector<float>& values, std::size_t rows, std::size_t cols,
                    int threads) {
  stay_on_calling_thread();
  std::vector<double> wide(values.begin(), values.end());
  for (int pass = 0; pass < 2; ++pass) {
    if (!orthonormalize_by_cholesky(wide, rows, cols, threads)) {
      orthonormalize_by_eigen(wide, rows, cols);
    }
  }
  std::transform(wide.begin(), wide.end(), values.begin(),
                 [](double value) { return static_cast<float>(value); });
}

void orthonormalize_rows(std::vector<float>& values, std::size_t rows, std::size_t cols,
                         int threads) {
  stay_on_calling_thread();
  std::vector<float> product(values.size());
  for (int pass = 0; pass < 2; ++pass) {
    std::vector<double> factor = gram_matrix(values, rows, cols, Transposed::kNo);
    if (!is_well_conditioned(factor, rows)) {
      std::vector<float> columns = turned(values, rows);
      orthonormalize(columns, cols, rows, threads);
      values = turned(columns, cols);
      return;
    }
    int info = 0;
    const int n = as_int(rows);
    dtrtri_("U", "N", &n, factor.data(), &n, &info);  // ours is row-major: lower
    check(info == 0, "orthonormalize_rows: the factor has a zero on its diagonal");
    const std::vector<float> inverse(factor.begin(), factor.end());
    const std::size_t panels = (cols + kLongPanelRows - 1) / kLongPanelRows;
#pragma omp parallel for num_threads(threads) schedule(dynamic)
    for (std::size_t panel = 0; panel < panels; ++panel) {
      const std::size_t first = panel * kLongPanelRows;
      cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n,
                  as_int(std::min(kLongPanelRows, cols - first)), n, 1.0f, inverse.data(), n,
                  values.data() + first, as_int(cols), 0.0f, product.data() + first,
                  as_int(cols));
    }
    values.swap(product);
  }
}

Eigen symmetric_eigen(std::vector<double> matrix, std::size_t size) {
  stay_on_calling_thread();
  Eigen eigen{.values = std::vector<double>(size)};
  const int n = as_int(size);
  const int ask = -1;
  int info = 0, best_integers = 0;
  double best_size = 0.0;
  dsyevd_("V", "L", &n, matrix.data(), &n, eigen.values.data(), &best_size, &ask,
          &best_integers, &ask, &info);
  const int work_size = static_cast<int>(best_size);
  std::vector<double> work(static_cast<std::size_t>(work_size));
  std::vector<int> integers(static_cast<std::size_t>(best_integers));
  dsyevd_("V", "L", &n, matrix.data(), &n, eigen.values.data(), work.data(), &work_size,
          integers.data(), &best_integers, &info);
  check(info == 0, "symmetric_eigen: LAPACK's dsyevd did not converge");
  eigen.vectors = std::move(matrix);  // columns of a column-major matrix are rows of ours
  return eigen;
}

bool cholesky(std::vector<double>& matrix, std::size_t size) {
  stay_on_calling_thread();
  const int n = as_int(size);
  int info = 0;
  dpotrf_("U", &n, matrix.data(), &n, &info);  // column-major upper is row-major lower
  if (info != 0) return false;
  for (std::size_t row = 0; row < size; ++row) {
    for (std::size_t col = row + 1; col < size; ++col) matrix[row * size + col] = 0.0;
  }
  return true;
}

std::vector<double> damped_cholesky(std::vector<double> matrix, std::size_t size,
                                    double damping) {
  double mean = 0.0;
  for (std::size_t i = 0; i < size; ++i) mean += matrix[i * size + i];
  mean = mean > 0.0 ? mean / static_cast<double>(size) : 1.0;
  constexpr int kMostTries = 8;
  for (int tries = 0; tries < kMostTries; ++tries, damping *= 10.0) {
    std::vector<double> factor = matrix;
    for (std::size_t i = 0; i < size; ++i) factor[i * size + i] += damping * mean;
    if (cholesky(factor, size)) return factor;
  }
  check(false, "damped_cholesky: a matrix that is not positive semi-definite");
  return {};
}

void divide_by_lower(std::size_t rows, std::size_t size, Operand lower, Product values,
                     int threads) {
  stay_on_calling_thread();
  const std::size_t panels = (rows + kPanelRows - 1) / kPanelRows;
#pragma omp parallel for num_threads(threads) schedule(dynamic)
  for (std::size_t panel = 0; panel < panels; ++panel) {
    const std::size_t first = panel * kPanelRows;
    cblas_strsm(CblasRowMajor, CblasRight, CblasLower, CblasNoTrans, CblasNonUnit,
                as_int(std::min(kPanelRows, rows - first)), as_int(size), 1.0f, lower.data,
                as_int(lower.stride), values.data + first * values.stride,
                as_int(values.stride));
  }
}

std::vector<double> inverse_from_cholesky(std::vector<double> factor, std::size_t size) {
  stay_on_calling_thread();
  const int n = as_int(size);
  int info = 0;
  dpotri_("U", &n, factor.data(), &n, &info);
  check(info == 0, "inverse_from_cholesky: the factor has a zero on its diagonal");
  for (std::size_t row = 0; row < size; ++row) {
    for (std::size_t col = row + 1; col < size; ++col) {
      factor[row * size + col] = factor[col * size + row];
    }
  }
  return factor;
}

}  // namespace trine::kernels
