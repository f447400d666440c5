// Dense products and decompositions against their definitions.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/linalg/dense_algebra.h"
#include "support/random_matrices.h"

namespace trine::kernels {
namespace {

using testing_support::random_normal;

constexpr Transposed kBoth[] = {Transposed::kNo, Transposed::kYes};

TEST(MultiplyParallel, IsTheDefinitionForEveryTransposeAndThreadCount) {
  // More rows than one panel of 128, so that there is work to divide.
  const ProductShape shape{300, 70, 90};
  const auto left = random_normal(shape.rows * shape.depth, 1);
  const auto right = random_normal(shape.depth * shape.cols, 2);
  const auto before = random_normal(shape.rows * shape.cols, 3);
  constexpr float kFactor = -0.5f, kAdded = 0.25f;
  for (const Transposed turn_left : kBoth) {
    for (const Transposed turn_right : kBoth) {
      const bool lt = turn_left == Transposed::kYes, rt = turn_right == Transposed::kYes;
      const auto run = [&](int threads) {
        std::vector<float> product = before;
        multiply_parallel({shape.rows, shape.cols, shape.depth, turn_left, turn_right},
                          {left.data(), lt ? shape.rows : shape.depth},
                          {right.data(), rt ? shape.depth : shape.cols}, {kFactor, kAdded},
                          {product.data(), shape.cols}, threads);
        return product;
      };
      const auto product = run(1);
      for (const int threads : {2, 5}) EXPECT_EQ(run(threads), product) << threads;
      for (std::size_t at = 0; at < product.size(); ++at) {
        const std::size_t row = at / shape.cols, col = at % shape.cols;
        double sum = 0.0, magnitude = std::abs(static_cast<double>(before[at]));
        for (std::size_t k = 0; k < shape.depth; ++k) {
          const double term =
              static_cast<double>(left[lt ? k * shape.rows + row : row * shape.depth + k]) *
              right[rt ? col * shape.depth + k : k * shape.cols + col];
          sum += term;
          magnitude += std::abs(term);
        }
        const double expected = kAdded * static_cast<double>(before[at]) + kFactor * sum;
        // A rounding of 2^-24 at each of depth + 3 operations.
        ASSERT_NEAR(product[at], expected, std::ldexp(93.0 * magnitude, -24));
      }
    }
  }
}

/// Σ over rows of a[row, i] · b[row, j].
double column_product(const std::vector<float>& a, std::size_t i, const std::vector<float>& b,
                      std::size_t j, std::size_t rows) {
  const std::size_t a_cols = a.size() / rows, b_cols = b.size() / rows;
  double sum = 0.0;
  for (std::size_t row = 0; row < rows; ++row) {
    sum += static_cast<double>(a[row * a_cols + i]) * b[row * b_cols + j];
  }
  return sum;
}

/// How much of column j of `values` lies outside the span of the orthonormal `basis`, of its norm.
double outside(const std::vector<float>& values, std::size_t j, const std::vector<float>& basis,
               std::size_t rows) {
  const double norm = column_product(values, j, values, j, rows);
  double inside = 0.0;
  for (std::size_t i = 0; i < basis.size() / rows; ++i) {
    inside += std::pow(column_product(basis, i, values, j, rows), 2);
  }
  return std::sqrt(std::max(0.0, 1.0 - inside / norm));
}

TEST(Orthonormalize, GivesAnOrthonormalBasisOfTheSameSpan) {
  constexpr std::size_t kRows = 120, kCols = 20;
  auto values = random_normal(kRows * kCols, 4);
  for (std::size_t row = 0; row < kRows; ++row) {  // columns of very different length
    for (std::size_t col = 0; col < kCols; ++col) {
      values[row * kCols + col] *= std::ldexp(1.0f, -static_cast<int>(col) / 2);
    }
  }
  auto basis = values;
  orthonormalize(basis, kRows, kCols, 2);
  for (std::size_t i = 0; i < kCols; ++i) {
    for (std::size_t j = 0; j < kCols; ++j) {
      EXPECT_NEAR(column_product(basis, i, basis, j, kRows), i == j ? 1.0 : 0.0, 1e-5);
    }
    // 1 − inside/norm is a difference of numbers near 1 known to some 1e-7: 3e-4 of the norm.
    EXPECT_LT(outside(values, i, basis, kRows), 1e-3) << i;
  }
  auto again = values;
  orthonormalize(again, kRows, kCols, 1);
  EXPECT_EQ(again, basis);
}

TEST(Orthonormalize, DependentColumnsBecomeZero) {
  constexpr std::size_t kRows = 60, kCols = 6;
  auto values = random_normal(kRows * kCols, 5);
  for (std::size_t row = 0; row < kRows; ++row) {
    float* column = &values[row * kCols];
    column[4] = column[0] - 2.0f * column[2];  // depends on others
    column[5] = 0.0f;
  }
  auto basis = values;
  orthonormalize(basis, kRows, kCols, 1);
  std::size_t units = 0;
  for (std::size_t i = 0; i < kCols; ++i) {
    const double norm = column_product(basis, i, basis, i, kRows);
    EXPECT_TRUE(std::abs(norm - 1.0) < 1e-5 || norm == 0.0) << norm;
    units += norm > 0.5 ? 1 : 0;
    for (std::size_t j = 0; j < i; ++j) {
      EXPECT_NEAR(column_product(basis, i, basis, j, kRows), 0.0, 1e-5);
    }
  }
  EXPECT_EQ(units, 4u);
  for (std::size_t j = 0; j < 5; ++j) EXPECT_LT(outside(values, j, basis, kRows), 1e-3) << j;
  std::vector<float> nothing(kRows * kCols, 0.0f);
  orthonormalize(nothing, kRows, kCols, 1);
  EXPECT_EQ(nothing, std::vector<float>(kRows * kCols, 0.0f));
}

TEST(GramMatrix, IsTheSumOfProductsOfRowsOrColumns) {
  // 2500 is two whole panels and a part of one.
  constexpr std::size_t kLong = 2500, kShort = 7;
  const auto values = random_normal(kLong * kShort, 12);
  std::vector<float> turned(values.size());
  for (std::size_t i = 0; i < kLong; ++i) {
    for (std::size_t j = 0; j < kShort; ++j) turned[j * kLong + i] = values[i * kShort + j];
  }
  const auto of_columns = gram_matrix(values, kLong, kShort, Transposed::kYes);
  const auto of_rows = gram_matrix(turned, kShort, kLong, Transposed::kNo);
  ASSERT_EQ(of_columns.size(), kShort * kShort);
  for (std::size_t i = 0; i < kShort; ++i) {
    for (std::size_t j = 0; j < kShort; ++j) {
      // Products of fp32 numbers are exact in double; 2500 sums of size 1 are good to 1e-12.
      EXPECT_NEAR(of_columns[i * kShort + j], column_product(values, i, values, j, kLong),
                  1e-10);
      EXPECT_EQ(of_columns[i * kShort + j], of_columns[j * kShort + i]);
    }
  }
  EXPECT_EQ(of_rows, of_columns);
}

TEST(OrthonormalizeRows, IsTheSameForRows) {
  constexpr std::size_t kRows = 12, kCols = 2500;
  auto one = random_normal(kRows * kCols, 14);
  for (std::size_t i = 0; i < one.size(); ++i) {  // rows of very different length
    one[i] *= std::ldexp(1.0f, -static_cast<int>(i / kCols));
  }
  const auto values = turned(one, kRows);
  auto three = one;
  orthonormalize_rows(one, kRows, kCols, 1);
  orthonormalize_rows(three, kRows, kCols, 3);
  EXPECT_EQ(one, three);
  const auto basis = turned(one, kRows);
  for (std::size_t i = 0; i < kRows; ++i) {
    for (std::size_t j = 0; j < kRows; ++j) {
      EXPECT_NEAR(column_product(basis, i, basis, j, kCols), i == j ? 1.0 : 0.0, 1e-5);
    }
    EXPECT_LT(outside(values, i, basis, kCols), 1e-3) << i;
  }
}

TEST(OrthonormalizeRows, DependentRowsBecomeZero) {
  constexpr std::size_t kCols = 60;
  auto rows = random_normal(3 * kCols, 15);
  for (std::size_t i = 0; i < kCols; ++i)
    rows[2 * kCols + i] = rows[i] + 2.0f * rows[kCols + i];
  orthonormalize_rows(rows, 3, kCols, 1);
  const auto basis = turned(rows, 3);
  std::size_t units = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    const double norm = column_product(basis, i, basis, i, kCols);
    EXPECT_TRUE(std::abs(norm - 1.0) < 1e-5 || norm == 0.0) << norm;
    units += norm > 0.5 ? 1 : 0;
  }
  EXPECT_EQ(units, 2u);
}

TEST(Orthonormalize, DoesNotDependOnThreadsWhenThereAreManyRows) {
  constexpr std::size_t kRows = 2500, kCols = 12;
  auto one = random_normal(kRows * kCols, 13);
  auto three = one;
  orthonormalize(one, kRows, kCols, 1);
  orthonormalize(three, kRows, kCols, 3);
  EXPECT_EQ(one, three);
  for (std::size_t i = 0; i < kCols; ++i) {
    for (std::size_t j = 0; j < kCols; ++j) {
      EXPECT_NEAR(column_product(one, i, one, j, kRows), i == j ? 1.0 : 0.0, 1e-5);
    }
  }
}

/// A symmetric positive definite matrix: G Gᵀ + a little of the identity.
std::vector<double> positive_matrix(std::size_t size, std::uint64_t seed) {
  const auto root = random_normal(size * size, seed);
  std::vector<double> matrix(size * size);
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t j = 0; j < size; ++j) {
      for (std::size_t k = 0; k < size; ++k) {
        matrix[i * size + j] += static_cast<double>(root[i * size + k]) * root[j * size + k];
      }
    }
    matrix[i * size + i] += 0.1;
  }
  return matrix;
}

TEST(SymmetricEigen, GivesAscendingValuesAndOrthonormalVectors) {
  constexpr std::size_t kSize = 12;
  const auto matrix = positive_matrix(kSize, 6);
  const Eigen eigen = symmetric_eigen(matrix, kSize);
  EXPECT_TRUE(std::is_sorted(eigen.values.begin(), eigen.values.end()));
  for (std::size_t i = 0; i < kSize; ++i) {
    const double* vector = &eigen.vectors[i * kSize];
    for (std::size_t row = 0; row < kSize; ++row) {
      double product = 0.0;
      for (std::size_t k = 0; k < kSize; ++k) product += matrix[row * kSize + k] * vector[k];
      EXPECT_NEAR(product, eigen.values[i] * vector[row], 1e-11 * eigen.values.back());
    }
    for (std::size_t j = 0; j < kSize; ++j) {
      double product = 0.0;
      for (std::size_t k = 0; k < kSize; ++k) {
        product += vector[k] * eigen.vectors[j * kSize + k];
      }
      EXPECT_NEAR(product, i == j ? 1.0 : 0.0, 1e-12);
    }
  }
  const Eigen known = symmetric_eigen({2.0, 1.0, 1.0, 2.0}, 2);
  EXPECT_NEAR(known.values[0], 1.0, 1e-14);
  EXPECT_NEAR(known.values[1], 3.0, 1e-14);
}

TEST(Cholesky, FactorsAndInverts) {
  constexpr std::size_t kSize = 9;
  const auto matrix = positive_matrix(kSize, 7);
  auto factor = matrix;
  ASSERT_TRUE(cholesky(factor, kSize));
  const auto inverse = inverse_from_cholesky(factor, kSize);
  for (std::size_t i = 0; i < kSize; ++i) {
    for (std::size_t j = 0; j < kSize; ++j) {
      double product = 0.0, identity = 0.0;
      for (std::size_t k = 0; k < kSize; ++k) {
        product += factor[i * kSize + k] * factor[j * kSize + k];
        identity += matrix[i * kSize + k] * inverse[k * kSize + j];
      }
      EXPECT_NEAR(product, matrix[i * kSize + j], 1e-12 * 30.0);
      EXPECT_NEAR(identity, i == j ? 1.0 : 0.0, 1e-10);
      if (j > i) {
        EXPECT_EQ(factor[i * kSize + j], 0.0);
      }
    }
  }
}

TEST(Cholesky, TellsWhatIsNotPositiveDefinite) {
  std::vector<double> indefinite = {1.0, 2.0, 2.0, 1.0};
  EXPECT_FALSE(cholesky(indefinite, 2));
  std::vector<double> zero(9, 0.0);
  EXPECT_FALSE(cholesky(zero, 3));
}

}  // namespace
}  // namespace trine::kernels
