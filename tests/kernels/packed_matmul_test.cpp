// Packed kernels of every instruction set against the scalar one, which defines correct.
#include <gtest/gtest.h>

#include <cmath>
#include <tuple>
#include <vector>

#include "base/random.h"
#include "kernels/block_codec.h"
#include "kernels/digit_layout.h"
#include "kernels/kernel_table.h"
#include "support/random_matrices.h"

namespace trine::kernels {
namespace {

struct MatmulShape {
  std::size_t out_features;
  std::size_t in_features;
  std::size_t num_tokens;
};

/// Runs one table over all row blocks, in two calls to show that ranges do not matter.
std::vector<float> multiply(const KernelTable& table, const PackedMatrixView& matrix,
                            const std::vector<float>& inputs, std::size_t num_tokens,
                            int num_digits = 2) {
  const PackedLayout& layout = matrix.layout;
  const std::size_t bytes =
      table.prepared_bytes(layout.in_features, layout.group_size, num_digits);
  std::vector<std::uint8_t> prepared(bytes * num_tokens);
  for (std::size_t token = 0; token < num_tokens; ++token) {
    table.prepare_input(inputs.data() + token * layout.in_features, layout.in_features,
                        layout.group_size, num_digits, prepared.data() + token * bytes);
  }
  std::vector<float> outputs(num_tokens * layout.out_features, NAN);
  const std::size_t blocks = layout.num_row_blocks();
  for (const RowBlockRange rows :
       {RowBlockRange{0, blocks / 2}, RowBlockRange{blocks / 2, blocks}}) {
    table.packed_matmul(matrix, rows, {prepared.data(), bytes, num_tokens, num_digits},
                        {outputs.data(), layout.out_features});
  }
  return outputs;
}

/// What splitting inputs into digits may cost one output: each input of a group moves by at most
/// max|x|/32638 (digit_layout.h), times its weight; and fp32 sums over groups round by 2^-24 of
/// Σ scale·(max code)·|x| at each of `groups` additions, a few operations each. With one digit both
/// sides round to the same digits, so only the roundings are left.
double tolerance(const std::vector<float>& weights, const float* input, std::size_t in_features,
                 std::size_t group_size, std::size_t row, double max_code_term) {
  double digits = 0.0;
  double largest_sum = 0.0;
  for (std::size_t first = 0; first < in_features; first += group_size) {
    const std::size_t end = std::min(first + group_size, in_features);
    double largest = 0.0, weight_sum = 0.0;
    for (std::size_t i = first; i < end; ++i) {
      largest = std::max(largest, std::abs(static_cast<double>(input[i])));
      weight_sum += std::abs(weights[row * in_features + i]);
    }
    digits += largest / 32638.0 * weight_sum;
    largest_sum += largest * max_code_term * static_cast<double>(end - first);
  }
  const double groups =
      std::ceil(static_cast<double>(in_features) / static_cast<double>(group_size));
  return digits + (groups + 4.0) * std::ldexp(largest_sum, -24);
}

class PackedMatmul
    : public testing::TestWithParam<std::tuple<const KernelTable*, int, std::size_t, int>> {};

TEST_P(PackedMatmul, AgreesWithScalar) {
  const auto& [table, bits, group_size, metadata_bits] = GetParam();
  const KernelTable& scalar = *runnable_tables().front();
  // Ragged rows and columns, one to ten row blocks and groups, every token tile and its rest.
  const std::vector<MatmulShape> shapes = {
      {16, 64, 1},  {1, 1, 1},      {17, 33, 2},    {40, 130, 3},    {31, 257, 4}, {64, 384, 5},
      {33, 160, 9}, {48, 1200, 16}, {100, 2100, 1}, {150, 1100, 12}, {220, 70, 1}};
  for (const int num_digits : {1, 2})
    for (const MatmulShape& shape : shapes) {
      SCOPED_TRACE(testing::Message()
                   << shape.out_features << "x" << shape.in_features << ", " << shape.num_tokens
                   << " tokens, " << num_digits << " digits");
      const QuantizedMatrix quantized = testing_support::random_quantized(
          shape.out_features, shape.in_features, bits, group_size, 7, metadata_bits);
      const std::vector<std::uint8_t> blocks = pack(quantized, 1);
      const PackedMatrixView matrix{
          {shape.out_features, shape.in_features, bits, group_size, metadata_bits}, blocks};
      const std::vector<float> weights = dequantize(matrix);
      const std::vector<float> inputs =
          testing_support::random_normal(shape.num_tokens * shape.in_features, 11);
      const auto expected = multiply(scalar, matrix, inputs, shape.num_tokens, num_digits);
      const auto actual = multiply(*table, matrix, inputs, shape.num_tokens, num_digits);
      const double max_code_term = testing_support::kLargestScale * (1 << bits) * 2.0;
      for (std::size_t token = 0; token < shape.num_tokens; ++token) {
        for (std::size_t row = 0; row < shape.out_features; ++row) {
          const std::size_t at = token * shape.out_features + row;
          ASSERT_NEAR(actual[at], expected[at],
                      tolerance(weights, inputs.data() + token * shape.in_features,
                                shape.in_features, group_size, row, max_code_term))
              << "token " << token << " row " << row;
        }
      }
    }
}

TEST_P(PackedMatmul, ATokensResultDoesNotDependOnItsBatch) {
  const auto& [table, bits, group_size, metadata_bits] = GetParam();
  const QuantizedMatrix quantized =
      testing_support::random_quantized(100, 200, bits, group_size, 3, metadata_bits);
  const std::vector<std::uint8_t> blocks = pack(quantized, 1);
  const PackedMatrixView matrix{{100, 200, bits, group_size, metadata_bits}, blocks};
  constexpr std::size_t kTokens = 15;  // tiles of 8, 4, 2 and 1
  const std::vector<float> inputs = testing_support::random_normal(kTokens * 200, 5);
  for (const int num_digits : {1, 2}) {
    const auto together = multiply(*table, matrix, inputs, kTokens, num_digits);
    for (std::size_t token = 0; token < kTokens; ++token) {
      const std::vector<float> one(
          inputs.begin() + static_cast<std::ptrdiff_t>(token * 200),
          inputs.begin() + static_cast<std::ptrdiff_t>((token + 1) * 200));
      const auto alone = multiply(*table, matrix, one, 1, num_digits);
      for (std::size_t row = 0; row < 100; ++row)
        EXPECT_EQ(alone[row], together[token * 100 + row]);
    }
  }
}

TEST_P(PackedMatmul, ExtremeCodesAndInputsDoNotOverflow) {
  // All codes at their largest against inputs at full scale: the largest sums the integer
  // arithmetic can meet, first all of one sign, then alternating.
  const auto& [table, bits, group_size, metadata_bits] = GetParam();
  const std::size_t in_features = 2 * group_size;
  QuantizedMatrix quantized =
      testing_support::random_quantized(16, in_features, bits, group_size, 1, metadata_bits);
  std::fill(quantized.codes.begin(), quantized.codes.end(),
            static_cast<std::uint8_t>((1 << bits) - 1));
  const std::vector<std::uint8_t> blocks = pack(quantized, 1);
  const PackedMatrixView matrix{{16, in_features, bits, group_size, metadata_bits}, blocks};
  const std::vector<float> weights = dequantize(matrix);
  for (const bool alternating : {false, true}) {
    std::vector<float> input(in_features);
    for (std::size_t i = 0; i < in_features; ++i)
      input[i] = alternating && i % 2 == 1 ? -3.0f : 3.0f;
    for (const int num_digits : {1, 2}) {
      const auto expected = multiply(*runnable_tables().front(), matrix, input, 1, num_digits);
      const auto actual = multiply(*table, matrix, input, 1, num_digits);
      const double max_code_term = testing_support::kLargestScale * (1 << bits) * 2.0;
      for (std::size_t row = 0; row < 16; ++row) {
        EXPECT_NEAR(
            actual[row], expected[row],
            tolerance(weights, input.data(), in_features, group_size, row, max_code_term));
      }
    }
  }
}

TEST_P(PackedMatmul, ZeroInputGivesZero) {
  const auto& [table, bits, group_size, metadata_bits] = GetParam();
  const QuantizedMatrix quantized =
      testing_support::random_quantized(20, 96, bits, group_size, 2, metadata_bits);
  const std::vector<std::uint8_t> blocks = pack(quantized, 1);
  const auto outputs = multiply(*table, {{20, 96, bits, group_size, metadata_bits}, blocks},
                                std::vector<float>(96, 0.0f), 1);
  for (const float output : outputs) EXPECT_EQ(output, 0.0f);
}

INSTANTIATE_TEST_SUITE_P(
    EveryIsa, PackedMatmul,
    testing::Combine(testing::ValuesIn(runnable_tables().begin(), runnable_tables().end()),
                     testing::Values(2, 3, 4, 5, 6, 8),
                     testing::Values(std::size_t{32}, std::size_t{64}, std::size_t{128}),
                     testing::Values(16, 8)),
    [](const auto& tested) {
      return std::string(std::get<0>(tested.param)->name) + "_w" +
             std::to_string(std::get<1>(tested.param)) + "_g" +
             std::to_string(std::get<2>(tested.param)) + "_m" +
             std::to_string(std::get<3>(tested.param));
    });

/// Digits stand for the input to within half a step, at both ends of their range.
TEST(PrepareInput, DigitsRestoreTheInput) {
  for (const KernelTable* table : runnable_tables().subspan(1)) {
    SCOPED_TRACE(table->name);
    constexpr std::size_t kCount = 100;  // a short second group
    constexpr std::size_t kGroup = 64;
    std::vector<float> input = testing_support::random_normal(kCount, 13);
    input[5] = 9.0f;    // the largest of its group: high 127, low 63
    input[70] = -9.0f;  // the smallest of its group
    const DigitLayout layout(kCount, kGroup, 2);
    std::vector<std::uint8_t> prepared(layout.bytes());
    table->prepare_input(input.data(), kCount, kGroup, 2, prepared.data());
    const auto* scales =
        reinterpret_cast<const float*>(prepared.data() + layout.scales_offset());
    const auto* sums = reinterpret_cast<const float*>(prepared.data() + layout.sums_offset());
    for (std::size_t group = 0; group < layout.num_groups; ++group) {
      double sum = 0.0;
      for (std::size_t i = 0; i < kGroup; ++i) {
        const auto* digits =
            reinterpret_cast<const std::int8_t*>(prepared.data() + 2 * group * kGroup);
        const double value = 128.0 * digits[i] + digits[kGroup + i];
        sum += value;
        const std::size_t at = group * kGroup + i;
        const double expected = at < kCount ? static_cast<double>(input[at]) : 0.0;
        // Half a step, and the rounding of x · (16319/max) to fp32: 2^-24 of 16319 steps.
        EXPECT_NEAR(value * static_cast<double>(scales[group]), expected,
                    static_cast<double>(scales[group]) * (0.5 + 2e-3));
      }
      EXPECT_EQ(sums[group], sum);
    }
  }
}

/// One digit is the nearest of 127 steps, at both ends of the range and in the short last group.
TEST(PrepareInput, OneDigitRestoresTheInputToHalfAStep) {
  for (const KernelTable* table : runnable_tables().subspan(1)) {
    SCOPED_TRACE(table->name);
    constexpr std::size_t kCount = 100, kGroup = 64;
    std::vector<float> input = testing_support::random_normal(kCount, 13);
    input[5] = 9.0f;
    input[70] = -9.0f;
    const DigitLayout layout(kCount, kGroup, 1);
    std::vector<std::uint8_t> prepared(layout.bytes());
    table->prepare_input(input.data(), kCount, kGroup, 1, prepared.data());
    const auto* digits = reinterpret_cast<const std::int8_t*>(prepared.data());
    const auto* scales =
        reinterpret_cast<const float*>(prepared.data() + layout.scales_offset());
    const auto* sums = reinterpret_cast<const float*>(prepared.data() + layout.sums_offset());
    EXPECT_EQ(digits[5], 127);
    EXPECT_EQ(digits[70], -127);
    for (std::size_t group = 0; group < layout.num_groups; ++group) {
      double sum = 0.0;
      for (std::size_t i = 0; i < kGroup; ++i) {
        const std::size_t at = group * kGroup + i;
        sum += digits[at];
        EXPECT_NEAR(digits[at] * static_cast<double>(scales[group]),
                    at < kCount ? static_cast<double>(input[at]) : 0.0,
                    static_cast<double>(scales[group]) * (0.5 + 1e-4));
      }
      EXPECT_EQ(sums[group], sum);
    }
  }
}

}  // namespace
}  // namespace trine::kernels
