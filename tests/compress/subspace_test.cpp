// Randomized low-rank approximation of a matrix whose singular values are known.
#include "compress/subspace.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "compress/residual.h"
#include "kernels/linalg/dense_algebra.h"
#include "support/random_matrices.h"

namespace trine::compress {
namespace {

constexpr std::size_t kSubspaceRows = 90, kSubspaceCols = 70, kSize = 40;

double singular_value(std::size_t index) {
  return 8.0 * std::pow(0.7, static_cast<double>(index));
}

/// U diag(singular values) Vᵀ with random orthonormal U and V.
std::vector<float> known_matrix() {
  auto u = testing_support::random_normal(kSubspaceRows * kSize, 1);
  auto v = testing_support::random_normal(kSubspaceCols * kSize, 2);
  kernels::orthonormalize(u, kSubspaceRows, kSize, 1);
  kernels::orthonormalize(v, kSubspaceCols, kSize, 1);
  std::vector<float> matrix(kSubspaceRows * kSubspaceCols);
  for (std::size_t row = 0; row < kSubspaceRows; ++row) {
    for (std::size_t col = 0; col < kSubspaceCols; ++col) {
      double sum = 0.0;
      for (std::size_t k = 0; k < kSize; ++k) {
        sum += singular_value(k) * u[row * kSize + k] * v[col * kSize + k];
      }
      matrix[row * kSubspaceCols + col] = static_cast<float>(sum);
    }
  }
  return matrix;
}

/// What no product of this rank can be nearer than.
double best_error(std::size_t rank) {
  double sum = 0.0;
  for (std::size_t k = rank; k < kSize; ++k) sum += std::pow(singular_value(k), 2);
  return std::sqrt(sum);
}

double error_of(const std::vector<float>& matrix, const LowRankFactors& factors) {
  const auto rest = without_factors({kSubspaceRows, kSubspaceCols, matrix}, factors, 1);
  return std::sqrt(squared_norm({1, rest.size(), rest}, 1));
}

/// The matrix and the thin one of a product are rounded to bf16, errors of 2^-9 at most and spread
/// evenly, so of 2^-9/√3 of the norm each; both together stay below 2^-9 of it.
constexpr double kRounding = 0x1p-9;

double norm_of(const std::vector<float>& matrix) {
  return std::sqrt(squared_norm({1, matrix.size(), matrix}, 1));
}

/// As the residual is kept.
kernels::Bf16Matrix in_bf16(const std::vector<float>& matrix) {
  kernels::Bf16Matrix narrow;
  narrow.assign({kSubspaceRows, kSubspaceCols, matrix}, 1);
  return narrow;
}

double row_norm(const std::vector<float>& factor, std::size_t row, std::size_t width) {
  double sum = 0.0;
  for (std::size_t i = 0; i < width; ++i) sum += std::pow(factor[row * width + i], 2);
  return std::sqrt(sum);
}

TEST(RandomizedSvd, FindsTheKnownSingularValues) {
  const auto matrix = known_matrix();
  const double rounding = kRounding * norm_of(matrix);
  for (const std::size_t rank : {1u, 8u, 16u}) {
    const auto factors = randomized_svd(in_bf16(matrix), rank, 2, 5, 1);
    ASSERT_EQ(factors.left.size(), rank * kSubspaceRows);
    ASSERT_EQ(factors.right.size(), rank * kSubspaceCols);
    for (std::size_t k = 0; k < rank; ++k) {
      // √σ on both sides. Without oversampling the last directions are caught less exactly.
      const double left = row_norm(factors.left, k, kSubspaceRows);
      const double right = row_norm(factors.right, k, kSubspaceCols);
      EXPECT_NEAR(left, right, 1e-3 * right) << k;
      EXPECT_LE(left * right, singular_value(k) * 1.0001 + rounding);
      EXPECT_GE(left * right, singular_value(k) * (k + 4 < rank ? 0.999 : 0.9) - rounding) << k;
    }
    const double error = error_of(matrix, factors);
    EXPECT_GE(error, best_error(rank) * 0.9999);
    EXPECT_LE(error, best_error(rank) * 1.05 + rounding) << rank;
  }
}

TEST(RandomizedSvd, DoesNotDependOnThreads) {
  const auto matrix = known_matrix();
  const auto one = randomized_svd(in_bf16(matrix), 8, 2, 5, 1);
  const auto three = randomized_svd(in_bf16(matrix), 8, 2, 5, 3);
  EXPECT_EQ(one.left, three.left);
  EXPECT_EQ(one.right, three.right);
}

TEST(RandomizedSvd, RankBeyondTheMatrixsOwnLeavesNothing) {
  const auto left = testing_support::random_normal(kSubspaceRows * 3, 3);
  const auto right = testing_support::random_normal(kSubspaceCols * 3, 4);
  std::vector<float> matrix(kSubspaceRows * kSubspaceCols);
  for (std::size_t at = 0; at < matrix.size(); ++at) {
    for (std::size_t k = 0; k < 3; ++k) {
      matrix[at] += left[at / kSubspaceCols * 3 + k] * right[at % kSubspaceCols * 3 + k];
    }
  }
  EXPECT_LT(error_of(matrix, randomized_svd(in_bf16(matrix), 8, 2, 5, 1)),
            kRounding * norm_of(matrix));
  const std::vector<float> nothing(kSubspaceRows * kSubspaceCols, 0.0f);
  EXPECT_EQ(error_of(nothing, randomized_svd(in_bf16(nothing), 8, 2, 5, 1)), 0.0);
}

TEST(WarmSubspace, ComesCloserAtEveryCall) {
  const auto matrix = known_matrix();
  WarmSubspace subspace(8, 7);
  double last = 1e9;
  for (int call = 0; call < 6; ++call) {
    const double error = error_of(matrix, subspace.approximate(in_bf16(matrix), 1, 1));
    EXPECT_LE(error, last * 1.00001) << call;
    last = error;
  }
  EXPECT_LE(last, best_error(8) * 1.001 + kRounding * norm_of(matrix));
  EXPECT_GE(last, best_error(8) * 0.9999);
}

}  // namespace
}  // namespace trine::compress
