#include "compress/subspace.h"

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "kernels/linalg/dense_algebra.h"
#include "kernels/linalg/thin_products.h"

namespace trine::compress {
namespace {

using kernels::Bf16Matrix;
using kernels::Transposed;

const kernels::ThinProducts& fastest() { return *kernels::runnable_thin_products().back(); }

std::vector<float> random_basis(std::size_t rank, std::size_t width, std::uint64_t seed) {
  base::Random random(seed);
  std::vector<float> values(rank * width);
  for (float& value : values) value = static_cast<float>(random.normal());
  return values;
}

/// From an orthonormal basis of the columns [rank, m] and projected = basis · matrix [rank, n]: the
/// singular vectors inside that span, with √σ on both sides, strongest first.
LowRankFactors balanced(const Bf16Matrix& matrix, const std::vector<float>& basis,
                        const std::vector<float>& projected, std::size_t rank, int threads) {
  std::vector<double> gram =
      kernels::gram_matrix(projected, rank, matrix.cols(), Transposed::kNo);
  const kernels::Eigen eigen = kernels::symmetric_eigen(std::move(gram), rank);
  // gram = Σ σ² u uᵀ; left = √σ · uᵀ · basis, right = √σ · (uᵀ · projected / σ)
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
  LowRankFactors factors{rank, matrix.rows(), matrix.cols(),
                         std::vector<float>(rank * matrix.rows()),
                         std::vector<float>(rank * matrix.cols())};
  const auto turn = [&](const std::vector<float>& by, const std::vector<float>& values,
                        std::vector<float>& target) {
    const std::size_t width = values.size() / rank;
    kernels::multiply_parallel({rank, width, rank, Transposed::kNo, Transposed::kNo},
                               {by.data(), rank}, {values.data(), width}, {1.0f, 0.0f},
                               {target.data(), width}, threads);
  };
  turn(to_left, basis, factors.left);
  turn(to_right, projected, factors.right);
  return factors;
}

}  // namespace

std::vector<float> times(const Bf16Matrix& matrix, const std::vector<float>& right,
                         std::size_t rank, int threads) {
  std::vector<float> product(rank * matrix.rows());
  fastest().times(matrix, right, rank, product, threads);
  return product;
}

std::vector<float> transposed_times(const Bf16Matrix& matrix, const std::vector<float>& left,
                                    std::size_t rank, int threads) {
  std::vector<float> product(rank * matrix.cols());
  fastest().transposed_times(matrix, left, rank, product, threads);
  return product;
}

LowRankFactors randomized_svd(const Bf16Matrix& matrix, std::size_t rank, int power_iterations,
                              std::uint64_t seed, int threads) {
  std::vector<float> basis =
      times(matrix, random_basis(rank, matrix.cols(), seed), rank, threads);
  kernels::orthonormalize_rows(basis, rank, matrix.rows(), threads);
  for (int pass = 0; pass < power_iterations; ++pass) {
    std::vector<float> turned = transposed_times(matrix, basis, rank, threads);
    kernels::orthonormalize_rows(turned, rank, matrix.cols(), threads);
    basis = times(matrix, turned, rank, threads);
    kernels::orthonormalize_rows(basis, rank, matrix.rows(), threads);
  }
  return balanced(matrix, basis, transposed_times(matrix, basis, rank, threads), rank, threads);
}

LowRankFactors WarmSubspace::approximate(const Bf16Matrix& residual, int passes, int threads) {
  if (basis_.empty()) {
    basis_ = random_basis(rank_, residual.cols(), seed_);
    ++passes;  // random vectors know nothing yet
  }
  LowRankFactors factors;
  for (int pass = 0; pass < passes; ++pass) {
    std::vector<float> columns = times(residual, basis_, rank_, threads);
    kernels::orthonormalize_rows(columns, rank_, residual.rows(), threads);
    basis_ = transposed_times(residual, columns, rank_, threads);
    if (pass + 1 == passes) factors = balanced(residual, columns, basis_, rank_, threads);
    kernels::orthonormalize_rows(basis_, rank_, residual.cols(), threads);
  }
  return factors;
}

}  // namespace trine::compress
