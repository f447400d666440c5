// Compensators: what they promise on every width of codes, metadata and factors.
#include "compress/compensators/compensator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <tuple>
#include <vector>

#include "compress/matrix_compressor.h"
#include "compress/residual.h"
#include "kernels/block_codec.h"
#include "support/expect_error.h"
#include "support/input_moments.h"
#include "support/random_matrices.h"

namespace trine::compress {
namespace {

using testing_support::expect_error;
using testing_support::sentence;

constexpr std::size_t kWeightRows = 72, kWeightCols = 100, kRank = 8;

/// Normal weights with a strong product of rank 4 in them, as trained weights have.
std::vector<float> structured_weights() {
  auto values = testing_support::random_normal(kWeightRows * kWeightCols, 1, 0.02);
  const auto left = testing_support::random_normal(kWeightRows * 4, 2, 0.15);
  const auto right = testing_support::random_normal(kWeightCols * 4, 3, 0.15);
  for (std::size_t at = 0; at < values.size(); ++at) {
    for (std::size_t k = 0; k < 4; ++k) {
      values[at] += left[at / kWeightCols * 4 + k] * right[at % kWeightCols * 4 + k];
    }
  }
  return values;
}

/// fp32 numbers of a stored factor.
std::vector<float> numbers_of(const std::vector<std::uint8_t>& bytes,
                              const PackedLayout& layout, int factor_bits) {
  if (factor_bits < 16) return kernels::dequantize({layout, bytes});
  std::vector<float> numbers;
  for (std::size_t i = 0; i < kRank * layout.in_features; ++i) {
    numbers.push_back(
        f16_to_float(static_cast<std::uint16_t>(bytes[2 * i] | bytes[2 * i + 1] << 8)));
  }
  return numbers;
}

/// ‖W − Ŵ − left·right‖F² from the stored bytes alone.
double recomputed_error(const std::vector<float>& weights, const CompressedMatrix& matrix,
                        const MatrixPlan& plan) {
  const auto codes = kernels::dequantize({matrix.layout, matrix.blocks});
  const auto left =
      numbers_of(matrix.factors.left, left_layout(matrix.layout, kRank, plan.factor_bits),
                 plan.factor_bits);
  const auto right =
      numbers_of(matrix.factors.right, right_layout(matrix.layout, kRank, plan.factor_bits),
                 plan.factor_bits);
  double error = 0.0;
  for (std::size_t at = 0; at < weights.size(); ++at) {
    double restored = codes[at];
    for (std::size_t k = 0; k < kRank; ++k) {
      restored += static_cast<double>(left[k * kWeightRows + at / kWeightCols]) *
                  right[k * kWeightCols + at % kWeightCols];
    }
    error += std::pow(weights[at] - restored, 2);
  }
  return error;
}

class AnyCompensator
    : public testing::TestWithParam<std::tuple<const char*, const char*, int, int>> {
 protected:
  [[nodiscard]] static MatrixPlan plan() {
    const auto& [compensator, quantizer, factor_bits, metadata_bits] = GetParam();
    return {quantizer, 3, 64, metadata_bits, kRank, factor_bits, compensator};
  }
  [[nodiscard]] Result<CompressedMatrix> compress(int threads) const {
    return compress_matrix("some.weight", {kWeightRows, kWeightCols, weights_}, plan(), {},
                           threads);
  }

  std::vector<float> weights_ = structured_weights();
};

TEST_P(AnyCompensator, ReportedErrorIsThatOfTheStoredBytes) {
  const auto matrix = compress(1);
  ASSERT_TRUE(matrix) << sentence(matrix);
  const double expected = recomputed_error(weights_, *matrix, plan());
  // Left · right is subtracted in fp32 before the error is taken in double.
  EXPECT_NEAR(matrix->error.error, expected, 1e-5 * expected);
  EXPECT_NEAR(matrix->error.weights, squared_norm({kWeightRows, kWeightCols, weights_}, 1),
              1e-9);
}

TEST_P(AnyCompensator, TraceFallsAndTheResultIsBetterThanCodesAlone) {
  const auto matrix = compress(1);
  ASSERT_TRUE(matrix) << sentence(matrix);
  ASSERT_GE(matrix->trace.size(), 2u);
  const double best = *std::min_element(matrix->trace.begin(), matrix->trace.end());
  EXPECT_LT(best, matrix->trace.front());
  EXPECT_LT(matrix->trace.back(), matrix->trace.front());
  const auto alone = compress_matrix("some.weight", {kWeightRows, kWeightCols, weights_},
                                     {plan().quantizer, 3, 64, plan().metadata_bits}, {}, 1);
  ASSERT_TRUE(alone) << sentence(alone);
  EXPECT_TRUE(alone->trace.empty());
  EXPECT_LT(matrix->error.error, alone->error.error);
}

TEST_P(AnyCompensator, BytesDoNotDependOnThreads) {
  const auto one = compress(1), three = compress(3);
  ASSERT_TRUE(one && three);
  EXPECT_EQ(one->blocks, three->blocks);
  EXPECT_EQ(one->factors.left, three->factors.left);
  EXPECT_EQ(one->factors.right, three->factors.right);
  EXPECT_EQ(one->trace, three->trace);
  EXPECT_EQ(one->error.error, three->error.error);
}

INSTANTIATE_TEST_SUITE_P(All, AnyCompensator,
                         testing::Combine(testing::Values("milo", "milo-paper"),
                                          testing::Values("hqq", "trine"),
                                          testing::Values(3, 4, 8, 16), testing::Values(16, 8)),
                         [](const auto& tested) {
                           std::string name = std::get<0>(tested.param);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name + "_" + std::get<1>(tested.param) + "_w" +
                                  std::to_string(std::get<2>(tested.param)) + "_m" +
                                  std::to_string(std::get<3>(tested.param));
                         });

/// Errors as the outputs see them, relative.
double output_error(const char* compensator, const char* quantizer, std::size_t rank,
                    const testing_support::Moments& moments) {
  const auto weights = structured_weights();
  MatrixPlan plan{quantizer, 3, 64, 16, rank, 8, compensator};
  const auto matrix =
      compress_matrix("m", {kWeightRows, kWeightCols, weights}, plan, moments.view(), 1)
          .value();
  return matrix.output_error / matrix.output_power;
}

TEST(Whitened, LosesLessOfTheOutputsThanItsPlainForm) {
  for (const std::size_t block_size : {kWeightCols, std::size_t{64}}) {
    const auto moments = testing_support::correlated(kWeightCols, block_size);
    const double plain = output_error("milo", "gptq", 16, moments);
    const double whitened = output_error("whitened", "gptq", 16, moments);
    EXPECT_LT(whitened, plain) << block_size;  // with 3 fits of the factors against 22
    EXPECT_LT(whitened, output_error("", "gptq", 0, moments)) << block_size;
  }
}

TEST(Whitened, RankOfTheResidualInTheOutputsIsEnough) {
  // Only 20 of the inputs ever differ from 0: 20 directions hold all that outputs can see.
  testing_support::Moments moments{std::vector<float>(kWeightCols, 1e-6f), {}, 0};
  for (std::size_t i = 0; i < 20; ++i) moments.diagonal[5 * i] = 1.0f;
  EXPECT_LT(output_error("whitened", "hqq", 32, moments),
            0.01 * output_error("milo-paper", "hqq", 32, moments));
}

TEST(Whitened, WantsStatistics) {
  const auto weights = structured_weights();
  const MatrixPlan plan{"trine", 3, 64, 16, 16, 8, "whitened"};
  const auto matrix = compress_matrix("m", {kWeightRows, kWeightCols, weights}, plan, {}, 1);
  ASSERT_FALSE(matrix);
  EXPECT_EQ(matrix.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(matrix.error().message.find("trine calibrate"), std::string::npos);
}

TEST(Milo, KeepsItsBestIterate) {
  const auto weights = structured_weights();
  for (const int factor_bits : {3, 16}) {
    const MatrixPlan plan{"trine", 3, 64, 8, kRank, factor_bits, "milo"};
    const auto matrix = compress_matrix("w", {kWeightRows, kWeightCols, weights}, plan, {}, 1);
    ASSERT_TRUE(matrix) << sentence(matrix);
    // The last quantizer pass may still improve on the best of the trace, never lose.
    EXPECT_LE(matrix->error.relative(),
              *std::min_element(matrix->trace.begin(), matrix->trace.end()) * (1.0 + 1e-5));
  }
}

/// More than one piece of everything that is worked on in pieces: 16 rows, 64 rows, 2048 columns.
TEST(Milo, BytesOfManyPiecesDoNotDependOnThreads) {
  constexpr std::size_t kManyRows = 150, kManyCols = 2150;
  const auto weights = testing_support::random_normal(kManyRows * kManyCols, 31, 0.02);
  for (const char* quantizer : {"hqq", "trine"}) {
    for (const int metadata_bits : {16, 8}) {
      const MatrixPlan plan{quantizer, 3, 64, metadata_bits, 16, 3, "milo"};
      const auto compress = [&](int threads) {
        return compress_matrix("w", {kManyRows, kManyCols, weights}, plan, {}, threads).value();
      };
      const auto one = compress(1);
      for (const int threads : {2, 3}) {
        const auto more = compress(threads);
        EXPECT_EQ(one.blocks, more.blocks) << quantizer << metadata_bits << threads;
        EXPECT_EQ(one.factors.left, more.factors.left);
        EXPECT_EQ(one.factors.right, more.factors.right);
        EXPECT_EQ(one.trace, more.trace);
        EXPECT_EQ(one.error.error, more.error.error);
      }
    }
  }
}

/// What the last matrix left in memory, of another shape and then of the same, changes no byte.
TEST(Milo, BytesDoNotDependOnTheMemoryOfTheLastMatrix) {
  constexpr std::size_t kOtherRows = 90, kOtherCols = 2300;
  const auto other = testing_support::random_normal(kOtherRows * kOtherCols, 37, 0.05);
  const auto weights = structured_weights();
  const MatrixPlan plan{"hqq", 3, 64, 16, kRank, 3, "milo"};
  const auto alone =
      compress_matrix("w", {kWeightRows, kWeightCols, weights}, plan, {}, 1).value();
  CompensatorMemory memory;
  ASSERT_TRUE(compress_matrix("o", {kOtherRows, kOtherCols, other}, plan, {}, 2, &memory));
  // The third is needed only when the best codes are neither the present ones nor the next.
  EXPECT_GE(
      std::ranges::count_if(memory.codes, [](const auto& kept) { return !kept.codes.empty(); }),
      2);
  for (int time = 0; time < 2; ++time) {
    const auto after =
        compress_matrix("w", {kWeightRows, kWeightCols, weights}, plan, {}, 2, &memory).value();
    EXPECT_EQ(alone.blocks, after.blocks);
    EXPECT_EQ(alone.factors.left, after.factors.left);
    EXPECT_EQ(alone.factors.right, after.factors.right);
    EXPECT_EQ(alone.trace, after.trace);
  }
}

/// The published loop with a new randomized SVD of two power iterations at every pass ("cold") and
/// factors that are never rounded is what milo-paper traces.
TEST(Milo, IsNoFartherThanTheColdReferenceAtTheSameFactors) {
  const auto weights = structured_weights();
  const auto compress = [&](const char* compensator) {
    const MatrixPlan plan{"hqq", 3,  64,         16,
                          kRank, 16, compensator};  // factors as good as exact
    return compress_matrix("w", {kWeightRows, kWeightCols, weights}, plan, {}, 1).value();
  };
  const auto cold = compress("milo-paper");
  EXPECT_LE(compress("milo").error.relative(),
            1.001 * *std::min_element(cold.trace.begin(), cold.trace.end()));
}

TEST(Milo, BeatsItsPublishedFormAtTheSameBytes) {
  const auto weights = structured_weights();
  const auto error_of = [&](const char* compensator) {
    const MatrixPlan plan{"trine", 3, 64, 8, kRank, 3, compensator};
    return compress_matrix("w", {kWeightRows, kWeightCols, weights}, plan, {}, 1)
        .value()
        .error.error;
  };
  EXPECT_LT(error_of("milo"), error_of("milo-paper"));
}

TEST(AllCompensators, TakeAMatrixOfZeros) {
  const std::vector<float> zeros(kWeightRows * kWeightCols, 0.0f);
  for (const char* compensator : {"milo", "milo-paper"}) {
    for (const int factor_bits : {3, 16}) {
      for (const int metadata_bits : {16, 8}) {
        const MatrixPlan plan{"trine", 3, 64, metadata_bits, kRank, factor_bits, compensator};
        const auto matrix =
            compress_matrix("w", {kWeightRows, kWeightCols, zeros}, plan, {}, 1);
        ASSERT_TRUE(matrix) << sentence(matrix);
        EXPECT_EQ(matrix->error.relative(), 0.0);
      }
    }
  }
}

TEST(CompensatorRegistry, UnknownNameListsTheKnownOnes) {
  expect_error(compensator_named("magic"), ErrorCode::kUnsupported,
               {"compensator \"magic\" is not known; known: milo, milo-paper"});
}

}  // namespace
}  // namespace trine::compress
