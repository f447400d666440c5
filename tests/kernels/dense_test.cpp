// Dot products, widening and dispatch, on every instruction set.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "base/dtype.h"
#include "kernels/kernel_table.h"
#include "support/random_matrices.h"

namespace trine::kernels {
namespace {

class Dense : public testing::TestWithParam<const KernelTable*> {};

/// One byte in front, so that elements are unaligned as in a foreign file.
std::vector<std::uint8_t> stored_16(const std::vector<float>& values, bool bf16) {
  std::vector<std::uint8_t> bytes(1 + 2 * values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint16_t bits = float_to_f16(values[i]);
    if (bf16) bits = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(values[i]) >> 16);
    std::memcpy(bytes.data() + 1 + 2 * i, &bits, 2);
  }
  return bytes;
}

/// Σ of absolute products: fp32 sums of n terms round by at most n·2^-24 of it.
template <class Value>
void expect_dot(float actual, Value value, const std::vector<float>& input) {
  double sum = 0.0, magnitude = 0.0;
  for (std::size_t i = 0; i < input.size(); ++i) {
    const double product = static_cast<double>(value(i)) * input[i];
    sum += product;
    magnitude += std::abs(product);
  }
  EXPECT_NEAR(actual, sum, static_cast<double>(input.size() + 1) * std::ldexp(magnitude, -24));
}

TEST_P(Dense, DotsAgreeWithDouble) {
  for (const std::size_t count : {0u, 1u, 7u, 8u, 31u, 32u, 33u, 63u, 1000u}) {
    SCOPED_TRACE(count);
    const auto weights = testing_support::random_normal(count, 1);
    const auto input = testing_support::random_normal(count, 2);
    std::vector<std::uint8_t> fp32(1 + 4 * count);
    if (count > 0) std::memcpy(fp32.data() + 1, weights.data(), 4 * count);
    const auto f16 = stored_16(weights, false);
    const auto bf16 = stored_16(weights, true);
    const auto load_16 = [](const std::vector<std::uint8_t>& bytes, std::size_t i) {
      std::uint16_t bits = 0;
      std::memcpy(&bits, bytes.data() + 1 + 2 * i, 2);
      return bits;
    };
    const auto one_of = [&](auto dots, const std::vector<std::uint8_t>& bytes,
                            std::size_t width) {
      float output = NAN;
      dots({bytes.data() + 1, width * count, 1}, {input.data(), count, 1}, count, {&output, 1});
      return output;
    };
    expect_dot(
        one_of(GetParam()->dots_f32, fp32, 4), [&](std::size_t i) { return weights[i]; },
        input);
    expect_dot(
        one_of(GetParam()->dots_f16, f16, 2),
        [&](std::size_t i) { return f16_to_float(load_16(f16, i)); }, input);
    expect_dot(
        one_of(GetParam()->dots_bf16, bf16, 2),
        [&](std::size_t i) { return bf16_to_float(load_16(bf16, i)); }, input);
  }
}

TEST_P(Dense, WideningIsExactForEveryBitPattern) {
  constexpr std::size_t kAll = 1 << 16;
  std::vector<std::uint16_t> patterns(kAll);
  for (std::size_t i = 0; i < kAll; ++i) patterns[i] = static_cast<std::uint16_t>(i);
  std::vector<float> f16(kAll), bf16(kAll);
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(patterns.data());
  GetParam()->widen_f16(bytes, f16.data(), kAll - 3);  // a ragged end
  GetParam()->widen_bf16(bytes, bf16.data(), kAll - 3);
  for (std::size_t i = 0; i < kAll - 3; ++i) {
    const float expected_f16 = f16_to_float(patterns[i]);
    if (std::isnan(expected_f16)) {
      EXPECT_TRUE(std::isnan(f16[i]));
    } else {
      ASSERT_EQ(std::bit_cast<std::uint32_t>(f16[i]),
                std::bit_cast<std::uint32_t>(expected_f16));
    }
    ASSERT_EQ(std::bit_cast<std::uint32_t>(bf16[i]),
              std::bit_cast<std::uint32_t>(bf16_to_float(patterns[i])));
  }
}

TEST_P(Dense, ManyDotsAreTheSameInAnyCompany) {
  constexpr std::size_t kRows = 13, kMostInputs = 13;  // tiles of every height, and ragged ends
  for (const std::size_t count : {1u, 8u, 37u, 256u}) {
    SCOPED_TRACE(count);
    const auto weights = testing_support::random_normal(kRows * count, 3);
    const auto inputs = testing_support::random_normal(kMostInputs * count, 4);
    const auto stored = stored_16(weights, true);
    std::vector<float> alone(kMostInputs * kRows);
    for (std::size_t input = 0; input < kMostInputs; ++input) {
      const std::vector<float> mine(
          inputs.begin() + static_cast<std::ptrdiff_t>(input * count),
          inputs.begin() + static_cast<std::ptrdiff_t>((input + 1) * count));
      for (std::size_t row = 0; row < kRows; ++row) {
        float& output = alone[input * kRows + row];
        GetParam()->dots_bf16({stored.data() + 1 + 2 * row * count, 2 * count, 1},
                              {mine.data(), count, 1}, count, {&output, 1});
        const auto weight = [&](std::size_t i) {
          std::uint16_t bits = 0;
          std::memcpy(&bits, stored.data() + 1 + 2 * (row * count + i), 2);
          return bf16_to_float(bits);
        };
        expect_dot(output, weight, mine);
      }
    }
    // Every number of inputs, because tiles are as wide as that.
    for (std::size_t num_inputs = 1; num_inputs <= kMostInputs; ++num_inputs) {
      std::vector<float> together(num_inputs * kRows);
      GetParam()->dots_bf16({stored.data() + 1, 2 * count, kRows},
                            {inputs.data(), count, num_inputs}, count,
                            {together.data(), kRows});
      for (std::size_t i = 0; i < together.size(); ++i) {
        ASSERT_EQ(alone[i], together[i])
            << "row " << i % kRows << ", input " << i / kRows << " of " << num_inputs;
      }
    }
  }
}

/// From 1 MB of weights on rows are taken from several places at once; which, changes no output.
TEST_P(Dense, RowsOfLargeMatricesAreTheSameAlone) {
  constexpr std::size_t kRows = 133, kCount = 4100, kInputs = 3;
  const auto inputs = testing_support::random_normal(kInputs * kCount, 4);
  const auto stored = stored_16(testing_support::random_normal(kRows * kCount, 3), true);
  for (std::size_t num_inputs = 1; num_inputs <= kInputs; ++num_inputs) {
    std::vector<float> together(num_inputs * kRows, NAN);
    GetParam()->dots_bf16({stored.data() + 1, 2 * kCount, kRows},
                          {inputs.data(), kCount, num_inputs}, kCount,
                          {together.data(), kRows});
    for (std::size_t i = 0; i < together.size(); ++i) {
      float alone = NAN;
      GetParam()->dots_bf16({stored.data() + 1 + 2 * kCount * (i % kRows), 2 * kCount, 1},
                            {inputs.data() + i / kRows * kCount, kCount, 1}, kCount,
                            {&alone, 1});
      ASSERT_EQ(together[i], alone) << "row " << i % kRows << ", input " << i / kRows;
    }
  }
}

TEST_P(Dense, DotsOfAllTypesAgree) {
  constexpr std::size_t kRows = 5, kInputs = 6, kCount = 40;
  std::vector<float> weights = testing_support::random_normal(kRows * kCount, 5);
  for (float& weight : weights)
    weight = f16_to_float(float_to_f16(weight));  // both can hold it
  const auto inputs = testing_support::random_normal(kInputs * kCount, 6);
  const auto half = stored_16(weights, false);
  std::vector<float> from_f16(kRows * kInputs), from_f32(kRows * kInputs);
  const InputRows rows{inputs.data(), kCount, kInputs};
  GetParam()->dots_f16({half.data() + 1, 2 * kCount, kRows}, rows, kCount,
                       {from_f16.data(), kRows});
  GetParam()->dots_f32(
      {reinterpret_cast<const std::uint8_t*>(weights.data()), 4 * kCount, kRows}, rows, kCount,
      {from_f32.data(), kRows});
  EXPECT_EQ(from_f16, from_f32);
}

TEST_P(Dense, WeightedSumsAreTheSameInAnyCompany) {
  constexpr std::size_t kRows = 7, kValues = 9;
  for (const std::size_t width : {1u, 8u, 29u, 32u, 100u}) {
    SCOPED_TRACE(width);
    const auto factors = testing_support::random_normal(kRows * kValues, 7);
    const auto values = testing_support::random_normal(kValues * width, 8);
    const auto start = testing_support::random_normal(kRows * width, 9);
    std::vector<float> together = start;
    GetParam()->add_weighted({factors.data(), kValues, kRows}, {values.data(), width, kValues},
                             width, {together.data(), width});
    for (std::size_t row = 0; row < kRows; ++row) {
      std::vector<float> alone(start.begin() + static_cast<std::ptrdiff_t>(row * width),
                               start.begin() + static_cast<std::ptrdiff_t>((row + 1) * width));
      GetParam()->add_weighted({factors.data() + row * kValues, kValues, 1},
                               {values.data(), width, kValues}, width, {alone.data(), width});
      for (std::size_t i = 0; i < width; ++i) {
        ASSERT_EQ(alone[i], together[row * width + i]);
        double sum = start[row * width + i], magnitude = std::abs(sum);
        for (std::size_t k = 0; k < kValues; ++k) {
          const double product =
              static_cast<double>(factors[row * kValues + k]) * values[k * width + i];
          sum += product;
          magnitude += std::abs(product);
        }
        // kValues fused sums, each rounded once.
        EXPECT_NEAR(alone[i], sum, (kValues + 1) * std::ldexp(magnitude, -24));
      }
    }
  }
}

TEST_P(Dense, NarrowingRoundsToNearestEven) {
  std::vector<float> values = {0.0f,           -0.0f,    1.0f,   1.00048828125f,
                               1.00146484375f, 65504.0f, 1e-7f,  6e-8f,
                               -3.14159f,      2049.0f,  2051.0f};
  std::vector<std::uint8_t> narrow(1 + 2 * values.size());
  GetParam()->narrow_f16(values.data(), narrow.data() + 1, values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, narrow.data() + 1 + 2 * i, 2);
    EXPECT_EQ(bits, float_to_f16(values[i])) << values[i];
  }
}

INSTANTIATE_TEST_SUITE_P(EveryIsa, Dense,
                         testing::ValuesIn(runnable_tables().begin(), runnable_tables().end()),
                         [](const auto& tested) { return std::string(tested.param->name); });

TEST(Dispatch, ScalarRunsEverywhereAndTheWidestIsTheDefault) {
  ASSERT_FALSE(runnable_tables().empty());
  EXPECT_EQ(runnable_tables().front()->name, "scalar");
  EXPECT_EQ(table_named("").value(), runnable_tables().back());
  EXPECT_EQ(table_named("scalar").value(), runnable_tables().front());
}

TEST(Dispatch, AnUnknownNameListsWhatThereIs) {
  const auto table = table_named("mmx");
  ASSERT_FALSE(table);
  EXPECT_EQ(table.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(table.error().message.find("\"mmx\""), std::string::npos);
  EXPECT_NE(table.error().message.find("scalar"), std::string::npos);
}

}  // namespace
}  // namespace trine::kernels
