// Products with packed weights and a compensator, against the dense matrix they stand for.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "core/matrix_plan.h"
#include "kernels/block_codec.h"
#include "runtime/linear.h"
#include "support/memory_weights.h"
#include "support/random_matrices.h"

namespace trine::runtime {
namespace {

using testing_support::MemoryWeights;
using testing_support::random_normal;
using testing_support::random_quantized;

constexpr std::size_t kCompensatedOut = 150, kCompensatedIn = 200,
                      kCompensatedTokens = 11;  // ragged in both directions

/// Bytes of one factor and its numbers, [stored rank, features].
struct Factor {
  std::vector<std::uint8_t> bytes{};
  std::vector<float> numbers{};
  FactorView view{};

  Factor(std::size_t rank, std::size_t features, int bits, int metadata_bits) {
    if (bits < 16) {
      const QuantizedMatrix codes =
          random_quantized(rank, features, bits, kFactorGroupSize, features, metadata_bits);
      bytes = kernels::pack(codes, 1);
      const PackedMatrixView packed{{rank, features, bits, kFactorGroupSize, metadata_bits},
                                    bytes};
      numbers = kernels::dequantize(packed);
      view = packed;
      return;
    }
    numbers = random_normal(rank * features, features, 0.05);
    for (float& number : numbers) number = testing_support::as_f16(number);
    numbers.resize(stored_rank(rank, 16) * features);
    bytes = testing_support::encode(DType::kF16, numbers);
    view = TensorView{DType::kF16, {stored_rank(rank, 16), features}, bytes};
  }
};

struct Setting {
  std::size_t rank;
  int factor_bits;
  int metadata_bits;
};

/// One matrix with a compensator and, on the same inputs, one without.
class CompensatedLinear
    : public testing::TestWithParam<std::tuple<const kernels::KernelTable*, Setting>> {
 protected:
  CompensatedLinear()
      : setting_(std::get<1>(GetParam())),
        left_(setting_.rank, kCompensatedOut, setting_.factor_bits, setting_.metadata_bits),
        right_(setting_.rank, kCompensatedIn, setting_.factor_bits, setting_.metadata_bits),
        inputs_(random_normal(kCompensatedTokens * kCompensatedIn, 2)) {
    const QuantizedMatrix codes =
        random_quantized(kCompensatedOut, kCompensatedIn, 3, 32, 1, setting_.metadata_bits);
    blocks_ = kernels::pack(codes, 1);
    const PackedMatrixView packed{
        {kCompensatedOut, kCompensatedIn, 3, 32, setting_.metadata_bits}, blocks_};
    codes_ = kernels::dequantize(packed);
    source_.set_view("plain", packed);
    const std::size_t stored = stored_rank(setting_.rank, setting_.factor_bits);
    source_.set_view("compensated",
                     CompensatedMatrixView{packed, {stored, left_.view, right_.view}});
    for (const char* name : {"plain", "compensated"}) {
      linears_.push_back(
          Linear::load({name, kCompensatedOut, kCompensatedIn}, source_).value());
    }
  }

  /// Outputs of the compensated matrix.
  [[nodiscard]] std::vector<float> product(std::size_t first_token, std::size_t num_tokens,
                                           int threads) const {
    Compute compute(*std::get<0>(GetParam()), threads);
    std::vector<float> plain(num_tokens * kCompensatedOut),
        outputs(num_tokens * kCompensatedOut);
    multiply(compute,
             std::array{LinearCall{&linears_[0], plain.data()},
                        LinearCall{&linears_[1], outputs.data()}},
             inputs_.data() + first_token * kCompensatedIn, num_tokens);
    return outputs;
  }

  /// The exact output, and what the products of magnitudes sum to.
  struct Expected {
    double value = 0.0, magnitude = 0.0, digits = 0.0, largest_projected = 0.0;
  };
  [[nodiscard]] Expected expected(std::size_t token, std::size_t row) const {
    const float* input = &inputs_[token * kCompensatedIn];
    float largest = 0.0f;
    for (std::size_t i = 0; i < kCompensatedIn; ++i)
      largest = std::max(largest, std::abs(input[i]));
    Expected sum;
    const auto add = [&](double weight, double factor, float x) {
      sum.value += factor * weight * x;
      sum.magnitude += std::abs(factor * weight * x);
      sum.digits += std::abs(factor * weight) * largest;
    };
    for (std::size_t i = 0; i < kCompensatedIn; ++i)
      add(codes_[row * kCompensatedIn + i], 1.0, input[i]);
    for (std::size_t j = 0; j < setting_.rank; ++j) {
      const double left = left_.numbers[j * kCompensatedOut + row];
      double projected = 0.0;
      for (std::size_t i = 0; i < kCompensatedIn; ++i) {
        add(right_.numbers[j * kCompensatedIn + i], left, input[i]);
        projected += double{right_.numbers[j * kCompensatedIn + i]} * input[i];
      }
      sum.largest_projected = std::max(sum.largest_projected, std::abs(projected));
    }
    return sum;
  }

  Setting setting_;
  Factor left_, right_;
  std::vector<float> inputs_;
  std::vector<std::uint8_t> blocks_{};
  std::vector<float> codes_{};
  MemoryWeights source_{};
  std::vector<Linear> linears_{};
};

TEST_P(CompensatedLinear, AgreesWithTheDenseMatrixItStandsFor) {
  for (const std::size_t num_tokens : {std::size_t{1}, kCompensatedTokens}) {
    const std::vector<float> outputs = product(0, num_tokens, 2);
    for (std::size_t token = 0; token < num_tokens; ++token) {
      for (std::size_t row = 0; row < kCompensatedOut; ++row) {
        const Expected sum = expected(token, row);
        // Inputs are rounded to 1/32638 of the largest (kernel_table.h). In fp32, codes and zeros
        // may be taken apart, which makes terms up to 16 times a weight, and each product of the
        // 200 inputs and 100 ranks meets at most 310 roundings of 2^-24. What is projected, times a
        // scale of a packed left factor, is rounded to 1/32638 of the largest, times codes.
        const double codes =
            static_cast<double>(setting_.rank) *
            std::ldexp(testing_support::kLargestScale, setting_.factor_bits + 1);
        const double digits =
            sum.digits + (setting_.factor_bits < 16 ? codes * sum.largest_projected : 0.0);
        const double tolerance =
            digits / 32638.0 + std::ldexp(16.0 * 310.0 * sum.magnitude, -24);
        ASSERT_NEAR(outputs[token * kCompensatedOut + row], sum.value, tolerance)
            << token << " " << row;
      }
    }
  }
}

TEST_P(CompensatedLinear, TheCompensatorCounts) {
  // Left out, half of it or turned round, the result would differ by more than the tolerance.
  const std::vector<float> outputs = product(0, 1, 1);
  std::size_t differing = 0;
  for (std::size_t row = 0; row < kCompensatedOut; ++row) {
    double plain = 0.0;
    for (std::size_t i = 0; i < kCompensatedIn; ++i) {
      plain += static_cast<double>(codes_[row * kCompensatedIn + i]) * inputs_[i];
    }
    differing += std::abs(outputs[row] - plain) > 1e-3 ? 1 : 0;
  }
  EXPECT_GT(differing, kCompensatedOut / 2);
}

TEST_P(CompensatedLinear, DoesNotDependOnThreadsOrOtherTokens) {
  const std::vector<float> together = product(0, kCompensatedTokens, 1);
  EXPECT_EQ(product(0, kCompensatedTokens, 2), together);
  EXPECT_EQ(product(0, kCompensatedTokens, 3), together);
  for (std::size_t token = 0; token < kCompensatedTokens; ++token) {
    EXPECT_TRUE(std::ranges::equal(
        product(token, 1, 1),
        std::span(together).subspan(token * kCompensatedOut, kCompensatedOut)))
        << "token " << token;
  }
}

TEST_P(CompensatedLinear, CountsTheBytesOfItsFactors) {
  EXPECT_EQ(linears_[1].stored_bytes() - linears_[0].stored_bytes(),
            factor_bytes({kCompensatedOut, kCompensatedIn, 3, 32, setting_.metadata_bits},
                         setting_.rank, setting_.factor_bits));
}

INSTANTIATE_TEST_SUITE_P(
    EveryIsa, CompensatedLinear,
    testing::Combine(
        testing::ValuesIn(kernels::runnable_tables().begin(), kernels::runnable_tables().end()),
        testing::Values(Setting{16, 3, 16}, Setting{1, 3, 8}, Setting{40, 4, 8},
                        Setting{8, 8, 16}, Setting{17, 8, 8}, Setting{1, 16, 16},
                        Setting{40, 16, 8}, Setting{100, 3, 16}, Setting{100, 16, 16})),
    [](const auto& tested) {
      const Setting& setting = std::get<1>(tested.param);
      return std::string(std::get<0>(tested.param)->name) + "_r" +
             std::to_string(setting.rank) + "_w" + std::to_string(setting.factor_bits) + "_m" +
             std::to_string(setting.metadata_bits);
    });

}  // namespace
}  // namespace trine::runtime
