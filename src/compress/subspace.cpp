#include "compress/subspace.h"

#include <cmath>

#include "base/random.h"
#include "kernels/linalg/dense_algebra.h"

namespace trine::compress {
namespace {

using kernels::Operand;
using kernels::Transposed;

std::vector<float> random_basis(std::size_t rows, std::size_t cols, std::uint64_t seed) {
  base::Random random(seed);
  std::vector<float> values(rows * cols);
  for (float& value : values) value = static_cast<float>(random.normal());
  return values;
}

/// matrix [m, n] · basis [n, rank]
std::vector<float> times(MatrixView matrix, const std::vector<float>& basis, std::size_t rank,
                         int threads) {
  std::vector<float> product(matrix.rows * rank);
  kernels::multiply_parallel({matrix.rows, rank, matrix.cols, Transposed::kNo, Transposed::kNo},
                             {matrix.values.data(), matrix.cols}, {basis.data(), rank},
                             {1.0f, 0.0f}, {product.data(), rank}, threads);
  return product;
}

/// matrixᵀ [n, m] · basis [m, rank]
std::vector<float> transposed_times(MatrixView matrix, const std::vector<float>& basis,
                                    std::size_t rank, int threads) {
  std::vector<float> product(matrix.cols * rank);
  kernels::multiply_parallel(
      {matrix.cols, rank, matrix.rows, Transposed::kYes, Transposed::kNo},
      {matrix.values.data(), matrix.cols}, {basis.data(), rank}, {1.0f, 0.0f},
      {product.data(), rank}, threads);
  return product;
}

/// From an orthonormal basis of the columns [m, rank] and projected = matrixᵀ · basis [n, rank]:
/// the singular vectors inside that span, with √σ on both sides, strongest first.
LowRankFactors balanced(MatrixView matrix, const std::vector<float>& basis,
                        const std::vector<float>& projected, std::size_t rank, int threads) {
  std::vector<double> gram =
      kernels::gram_matrix(projected, matrix.cols, rank, Transposed::kYes);
  const kernels::Eigen eigen = kernels::symmetric_eigen(std::move(gram), rank);
  // gram = Σ σ² u uᵀ; left = basis·u·√σ, right = √σ · (uᵀ·projectedᵀ / σ)
  std::vector<float> to_left(rank * rank), to_right(rank * rank);
  const double largest = std::sqrt(std::max(eigen.values.back(), 0.0));
  for (std::size_t i = 0; i < rank; ++i) {
    const std::size_t from = rank - 1 - i;
    const double sigma = std::sqrt(std::max(eigen.values[from], 0.0));
    const bool counts = sigma > 1e-7 * largest;
    for (std::size_t j = 0; j < rank; ++j) {
      const double u = eigen.vectors[from * rank + j];
      to_left[i * rank + j] = counts ? static_cast<float>(u * std::sqrt(sigma)) : 0.0f;
      to_right[i * rank + j] = counts ? static_cast<float>(u / std::sqrt(sigma)) : 0.0f;
    }
  }
  LowRankFactors factors{rank, matrix.rows, matrix.cols, std::vector<float>(rank * matrix.rows),
                         std::vector<float>(rank * matrix.cols)};
  kernels::multiply_parallel({rank, matrix.rows, rank, Transposed::kNo, Transposed::kYes},
                             {to_left.data(), rank}, {basis.data(), rank}, {1.0f, 0.0f},
                             {factors.left.data(), matrix.rows}, threads);
  kernels::multiply_parallel({rank, matrix.cols, rank, Transposed::kNo, Transposed::kYes},
                             {to_right.data(), rank}, {projected.data(), rank}, {1.0f, 0.0f},
                             {factors.right.data(), matrix.cols}, threads);
  return factors;
}

}  // namespace

LowRankFactors randomized_svd(MatrixView matrix, std::size_t rank, int power_iterations,
                              std::uint64_t seed, int threads) {
  std::vector<float> basis =
      times(matrix, random_basis(matrix.cols, rank, seed), rank, threads);
  kernels::orthonormalize(basis, matrix.rows, rank, threads);
  for (int pass = 0; pass < power_iterations; ++pass) {
    std::vector<float> turned = transposed_times(matrix, basis, rank, threads);
    kernels::orthonormalize(turned, matrix.cols, rank, threads);
    basis = times(matrix, turned, rank, threads);
    kernels::orthonormalize(basis, matrix.rows, rank, threads);
  }
  return balanced(matrix, basis, transposed_times(matrix, basis, rank, threads), rank, threads);
}

LowRankFactors WarmSubspace::approximate(MatrixView residual, int passes, int threads) {
  if (basis_.empty()) {
    basis_ = random_basis(residual.cols, rank_, seed_);
    ++passes;  // random vectors know nothing yet
  }
  std::vector<float> columns, projected;
  for (int pass = 0; pass < passes; ++pass) {
    columns = times(residual, basis_, rank_, threads);
    kernels::orthonormalize(columns, residual.rows, rank_, threads);
    projected = transposed_times(residual, columns, rank_, threads);
    basis_ = projected;
    if (pass + 1 < passes) kernels::orthonormalize(basis_, residual.cols, rank_, threads);
  }
  kernels::orthonormalize(basis_, residual.cols, rank_, threads);
  return balanced(residual, columns, projected, rank_, threads);
}

void subtract_low_rank(std::vector<float>& values, const LowRankFactors& factors, int threads) {
  kernels::multiply_parallel({factors.out_features, factors.in_features, factors.rank,
                              Transposed::kYes, Transposed::kNo},
                             {factors.left.data(), factors.out_features},
                             {factors.right.data(), factors.in_features}, {-1.0f, 1.0f},
                             {values.data(), factors.in_features}, threads);
}

}  // namespace trine::compress
