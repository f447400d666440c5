// Products and decompositions of dense matrices for compression, from OpenBLAS. Work is divided
// into panels of fixed size, so results do not depend on the number of threads.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "kernels/linalg/blas.h"

namespace trine::kernels {

/// How an operand enters a product.
enum class Transposed { kNo, kYes };

struct ProductShape {
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::size_t depth = 0;
  Transposed left = Transposed::kNo;
  Transposed right = Transposed::kNo;
};
/// What the result is made of.
struct Accumulation {
  float factor = 1.0f;  ///< of the new product
  float kept = 0.0f;    ///< of what was there
};

/// product[rows, cols] = kept · product + factor · op(left)[rows, depth] · op(right)[depth, cols].
void multiply_parallel(const ProductShape& shape, Operand left, Operand right,
                       Accumulation accumulation, Product product, int threads);

/// values [rows, cols] as [cols, rows].
[[nodiscard]] std::vector<float> turned(const std::vector<float>& values, std::size_t rows);

/// The products of all rows of `values` [rows, cols] with each other, values · valuesᵀ [rows, rows];
/// with kYes those of all columns, valuesᵀ · values [cols, cols]. Summed in double on the calling
/// thread, so it does not depend on any number of threads. Extra memory: a panel of 1024 rows or
/// columns in double.
[[nodiscard]] std::vector<double> gram_matrix(std::span<const float> values, std::size_t rows,
                                              std::size_t cols, Transposed transposed);

/// Replaces the columns of `values` [rows, cols], row-major, by an orthonormal basis of their span
/// (Cholesky QR twice: Fukaya et al. 2014, arXiv:1411.7113). Columns that depend on others to
/// working precision become zero. The triangular solves are divided among `threads`.
void orthonormalize(std::vector<float>& values, std::size_t rows, std::size_t cols,
                    int threads);

/// The same for the rows of `values` [rows, cols], for few long ones. The basis is exact to fp32.
void orthonormalize_rows(std::vector<float>& values, std::size_t rows, std::size_t cols,
                         int threads);

/// Eigenvalues, ascending, of a symmetric matrix [size, size]; row i of `vectors` becomes the
/// eigenvector of values[i].
struct Eigen {
  std::vector<double> values{};
  std::vector<double> vectors{};
};
[[nodiscard]] Eigen symmetric_eigen(std::vector<double> matrix, std::size_t size);

/// Lower Cholesky factor of a symmetric positive definite matrix [size, size], row-major, zeros
/// above the diagonal; false when it is not positive definite.
[[nodiscard]] bool cholesky(std::vector<double>& matrix, std::size_t size);

/// The lower Cholesky factor of a positive semi-definite matrix [size, size] with `damping` times
/// the mean of its diagonal added to it, ten times as much until the factor exists.
[[nodiscard]] std::vector<double> damped_cholesky(std::vector<double> matrix, std::size_t size,
                                                  double damping);

/// values [rows, size] becomes values · lower⁻¹, lower a triangle [size, size].
void divide_by_lower(std::size_t rows, std::size_t size, Operand lower, Product values,
                     int threads);

/// The inverse of a symmetric positive definite matrix from its lower Cholesky factor.
[[nodiscard]] std::vector<double> inverse_from_cholesky(std::vector<double> factor,
                                                        std::size_t size);

}  // namespace trine::kernels
