// Products of a bf16 matrix with thin ones, and products subtracted piece by piece, against their
// definitions.
#include "kernels/linalg/thin_products.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "kernels/linalg/subtracted_product.h"
#include "support/random_matrices.h"

namespace trine::kernels {
namespace {

using testing_support::random_normal;

struct ThinShape {
  std::size_t rows, cols, rank;
};

// Odd sides, more than one task and slab each way, every tile of ranks.
constexpr ThinShape kShapes[] = {{1, 1, 1},      {3, 33, 5},      {50, 70, 12},  {61, 1100, 16},
                                 {2200, 40, 32}, {130, 4200, 36}, {97, 1030, 60}};

Bf16Matrix in_bf16(const std::vector<float>& values, const ThinShape& shape) {
  Bf16Matrix matrix;
  matrix.assign({shape.rows, shape.cols, values}, 2);
  return matrix;
}

TEST(Bf16Matrix, KeepsTheNearestNumberAndZerosBehind) {
  Bf16Matrix matrix;
  for (const ThinShape& shape : kShapes) {  // one memory for all of them
    const auto values = random_normal(shape.rows * shape.cols, 1);
    matrix.assign({shape.rows, shape.cols, values}, 2);
    EXPECT_EQ(matrix.stride() % 64, 32u) << "an odd number of cache lines";
    for (std::size_t row = 0; row < shape.rows; ++row) {
      for (std::size_t col = 0; col < matrix.stride(); ++col) {
        const float kept = bf16_to_float(matrix.row(row)[col]);
        const float value = col < shape.cols ? values[row * shape.cols + col] : 0.0f;
        ASSERT_LE(std::abs(kept - value), std::ldexp(std::abs(value), -8));
      }
    }
  }
}

TEST(NarrowToBf16, TiesGoToEven) {
  const std::vector<float> values{1.0f, 1.00390625f, 1.01171875f, -1.00390625f, 0.0f};
  std::vector<std::uint16_t> narrow(values.size());
  narrow_to_bf16(values.data(), values.size(), narrow.data());
  const std::vector<float> expected{1.0f, 1.0f, 1.015625f, -1.0f, 0.0f};
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(bf16_to_float(narrow[i]), expected[i]) << values[i];
  }
}

class AnyThinProducts : public testing::TestWithParam<const ThinProducts*> {};

/// What a sum of rounded products may be off: 2^-8 for the thin matrix in bf16, and fp32 sums.
double allowed(double magnitude, std::size_t depth) {
  return magnitude * (std::ldexp(1.0, -8) + static_cast<double>(depth) * std::ldexp(1.0, -24));
}

TEST_P(AnyThinProducts, AreTheDefinitionForAnyNumberOfThreads) {
  for (const ThinShape& shape : kShapes) {
    const auto [rows, cols, rank] = shape;
    const Bf16Matrix matrix = in_bf16(random_normal(rows * cols, 2), shape);
    const auto left = random_normal(rank * rows, 3), right = random_normal(rank * cols, 4);
    std::vector<float> tall(rank * rows), wide(rank * cols);
    GetParam()->times(matrix, right, rank, tall, 1);
    GetParam()->transposed_times(matrix, left, rank, wide, 1);
    for (const int threads : {2, 3}) {
      std::vector<float> again(rank * rows), across(rank * cols);
      GetParam()->times(matrix, right, rank, again, threads);
      GetParam()->transposed_times(matrix, left, rank, across, threads);
      EXPECT_EQ(again, tall) << threads;
      EXPECT_EQ(across, wide) << threads;
    }
    const auto check = [&](float product, std::size_t depth, auto left_of, auto right_of) {
      double sum = 0.0, magnitude = 0.0;
      for (std::size_t i = 0; i < depth; ++i) {
        const double term = static_cast<double>(left_of(i)) * static_cast<double>(right_of(i));
        sum += term;
        magnitude += std::abs(term);
      }
      ASSERT_NEAR(product, sum, allowed(magnitude, depth)) << rows << 'x' << cols;
    };
    for (std::size_t j = 0; j < rank; j += 1 + rank / 7) {
      for (std::size_t i = 0; i < rows; i += 1 + rows / 60) {
        check(
            tall[j * rows + i], cols, [&](auto c) { return bf16_to_float(matrix.row(i)[c]); },
            [&](auto c) { return right[j * cols + c]; });
      }
      for (std::size_t c = 0; c < cols; c += 1 + cols / 60) {
        check(
            wide[j * cols + c], rows, [&](auto i) { return bf16_to_float(matrix.row(i)[c]); },
            [&](auto i) { return left[j * rows + i]; });
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Runnable, AnyThinProducts,
                         testing::ValuesIn(runnable_thin_products().begin(),
                                           runnable_thin_products().end()),
                         [](const auto& tested) { return std::string(tested.param->name); });

TEST(SubtractedProduct, IsTheDefinitionInAnyPiece) {
  constexpr std::size_t kRows = 23, kCols = 201;
  for (const std::size_t rank : {0u, 1u, 7u, 32u}) {
    const auto weights = random_normal(kRows * kCols, 5);
    const LowRankFactors factors{rank, kRows, kCols, random_normal(rank * kRows, 6),
                                 random_normal(rank * kCols, 7)};
    for (int form = 0; form < 3; ++form) {  // fp32, fp32 without AVX-512, bf16
      const bool is_single = form < 2;
      SubtractedProduct product(factors,
                                is_single ? SubtractedProduct::Precision::kSingle
                                          : SubtractedProduct::Precision::kBf16,
                                2);
      if (form == 1) product.forget_wide_registers();
      const MatrixView view{kRows, kCols, weights};
      std::vector<float> whole(kRows * kCols);
      product.subtract(view, {0, 0, kRows, kCols}, whole.data());
      for (std::size_t at = 0; at < whole.size(); ++at) {
        double expected = weights[at], magnitude = std::abs(expected);
        for (std::size_t k = 0; k < rank; ++k) {
          const double term = static_cast<double>(factors.left[k * kRows + at / kCols]) *
                              static_cast<double>(factors.right[k * kCols + at % kCols]);
          expected -= term;
          magnitude += std::abs(term);
        }
        // Two roundings of 2^-24 for each rank; both factors to 2^-9.
        ASSERT_NEAR(whole[at], expected, magnitude * (is_single ? 66 * 0x1p-24 : 0x1p-7));
      }
      std::vector<float> piece(5 * 73);
      product.subtract(view, {9, 128, 5, 73}, piece.data());
      for (std::size_t at = 0; at < piece.size(); ++at) {
        EXPECT_EQ(piece[at], whole[(9 + at / 73) * kCols + 128 + at % 73]);
      }
    }
  }
}

}  // namespace
}  // namespace trine::kernels
