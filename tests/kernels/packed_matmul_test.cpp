// Packed kernels of every instruction set against the scalar one, which defines correct.
#include <gtest/gtest.h>

#include <cmath>
#include <tuple>
#include <vector>

#include "base/random.h"
#include "kernels/block_codec.h"
#include "kernels/kernel_table.h"
#include "support/random_matrices.h"

namespace trine::kernels {
namespace {

constexpr InputForm kForms[] = {InputForm::kOneDigit, InputForm::kTwoDigits, InputForm::kBf16};

const char* name_of(InputForm form) {
  if (form == InputForm::kBf16) return "bf16";
  return form == InputForm::kOneDigit ? "one digit" : "two digits";
}

struct MatmulShape {
  std::size_t out_features;
  std::size_t in_features;
  std::size_t num_tokens;
};

/// Runs one table over all row blocks, in two calls to show that ranges do not matter.
std::vector<float> multiply(const KernelTable& table, const PackedMatrixView& matrix,
                            const std::vector<float>& inputs, std::size_t num_tokens,
                            InputForm form = InputForm::kTwoDigits) {
  const PackedLayout& layout = matrix.layout;
  const std::size_t bytes = table.prepared_bytes(layout.in_features, layout.group_size, form);
  std::vector<std::uint8_t> prepared(bytes * num_tokens);
  for (std::size_t token = 0; token < num_tokens; ++token) {
    table.prepare_input(inputs.data() + token * layout.in_features, layout.in_features,
                        layout.group_size, form, prepared.data() + token * bytes);
  }
  std::vector<float> outputs(num_tokens * layout.out_features, NAN);
  const std::size_t blocks = layout.num_row_blocks();
  for (const RowBlockRange rows :
       {RowBlockRange{0, blocks / 2}, RowBlockRange{blocks / 2, blocks}}) {
    table.packed_matmul(matrix, rows, {prepared.data(), bytes, num_tokens, form},
                        {outputs.data(), layout.out_features});
  }
  return outputs;
}

/// What splitting inputs into digits may cost one output: each input of a group moves by at most
/// max|x|/32638 (digit_layout.h), times its weight; and fp32 sums over groups round by 2^-24 of
/// Σ scale·(max code)·|x| at each of `groups` additions, a few operations each. With one digit both
/// sides round to the same digits, so only the roundings are left.
///
/// bf16 inputs are the same on both sides (but for denormals, which vdpbf16ps takes as 0, and which normal
/// inputs do not have), until a table without dot products of bf16 makes digits of them, of a group
/// whose largest input may have been rounded up by 2^-9 of it. A table with dot products sums a group's
/// products (2^bits + code)·x, each exact, and its x, in fp32, one after the other: at most group_size +
/// 16 roundings of 2^-24 of Σ scale·2·(max code)·|x| each; max_code_term has that 2.
double tolerance(const std::vector<float>& weights, const float* input, std::size_t in_features,
                 std::size_t group_size, std::size_t row, double max_code_term,
                 InputForm form) {
  double digits = 0.0;
  double largest_sum = 0.0;
  for (std::size_t first = 0; first < in_features; first += group_size) {
    const std::size_t end = std::min(first + group_size, in_features);
    double largest = 0.0, weight_sum = 0.0;
    for (std::size_t i = first; i < end; ++i) {
      largest = std::max(largest, std::abs(static_cast<double>(input[i])));
      weight_sum += std::abs(weights[row * in_features + i]);
    }
    if (form == InputForm::kBf16) largest *= 1.0 + std::ldexp(1.0, -8);
    digits += largest / 32638.0 * weight_sum;
    largest_sum += largest * max_code_term * static_cast<double>(end - first);
  }
  const double groups =
      std::ceil(static_cast<double>(in_features) / static_cast<double>(group_size));
  double roundings = groups + 4.0;
  if (form == InputForm::kBf16) roundings += static_cast<double>(group_size) + 16.0;
  return digits + roundings * std::ldexp(largest_sum, -24);
}

class PackedMatmul
    : public testing::TestWithParam<std::tuple<const KernelTable*, int, std::size_t, int>> {};

TEST_P(PackedMatmul, AgreesWithScalar) {
  const auto& [table, bits, group_size, metadata_bits] = GetParam();
  const KernelTable& scalar = *runnable_tables().front();
  if (table == &scalar) return;  // nothing to compare it with
  // Ragged rows and columns, one to ten row blocks and groups, every token tile and its rest; more
  // tokens than lie side by side (256), more inputs than are unpacked at a time (2048, bf16 1024), more
  // rows than are multiplied with them before the next inputs (256), and both.
  const std::vector<MatmulShape> shapes = {
      {16, 64, 1},  {1, 1, 1},     {17, 33, 2},   {40, 130, 3},   {31, 257, 4},
      {64, 384, 5}, {33, 160, 9},  {48, 600, 16}, {100, 2100, 1}, {150, 600, 12},
      {220, 70, 1}, {17, 64, 261}, {560, 64, 17}, {80, 2100, 17}, {45, 2100, 16}};
  for (const InputForm form : kForms)
    for (const MatmulShape& shape : shapes) {
      SCOPED_TRACE(testing::Message() << shape.out_features << "x" << shape.in_features << ", "
                                      << shape.num_tokens << " tokens, " << name_of(form));
      const QuantizedMatrix quantized = testing_support::random_quantized(
          shape.out_features, shape.in_features, bits, group_size, 7, metadata_bits);
      const std::vector<std::uint8_t> blocks = pack(quantized, 1);
      const PackedMatrixView matrix{
          {shape.out_features, shape.in_features, bits, group_size, metadata_bits}, blocks};
      const std::vector<float> weights = dequantize(matrix);
      const std::vector<float> inputs =
          testing_support::random_normal(shape.num_tokens * shape.in_features, 11);
      const auto expected = multiply(scalar, matrix, inputs, shape.num_tokens, form);
      const auto actual = multiply(*table, matrix, inputs, shape.num_tokens, form);
      const double max_code_term = testing_support::kLargestScale * (1 << bits) * 2.0;
      for (std::size_t token = 0; token < shape.num_tokens; ++token) {
        for (std::size_t row = 0; row < shape.out_features; ++row) {
          const std::size_t at = token * shape.out_features + row;
          ASSERT_NEAR(actual[at], expected[at],
                      tolerance(weights, inputs.data() + token * shape.in_features,
                                shape.in_features, group_size, row, max_code_term, form))
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
  // Tiles of 8, the first and others, 4, 2 and 1; a tile of 16.
  for (const std::size_t num_tokens : {std::size_t{23}, std::size_t{16}}) {
    const std::vector<float> inputs = testing_support::random_normal(num_tokens * 200, 5);
    for (const InputForm form : kForms) {
      const auto together = multiply(*table, matrix, inputs, num_tokens, form);
      for (std::size_t token = 0; token < num_tokens; ++token) {
        const std::vector<float> one(
            inputs.begin() + static_cast<std::ptrdiff_t>(token * 200),
            inputs.begin() + static_cast<std::ptrdiff_t>((token + 1) * 200));
        const auto alone = multiply(*table, matrix, one, 1, form);
        for (std::size_t row = 0; row < 100; ++row)
          EXPECT_EQ(alone[row], together[token * 100 + row]);
      }
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
    for (const InputForm form : kForms) {
      const auto expected = multiply(*runnable_tables().front(), matrix, input, 1, form);
      const auto actual = multiply(*table, matrix, input, 1, form);
      const double max_code_term = testing_support::kLargestScale * (1 << bits) * 2.0;
      for (std::size_t row = 0; row < 16; ++row) {
        EXPECT_NEAR(actual[row], expected[row],
                    tolerance(weights, input.data(), in_features, group_size, row,
                              max_code_term, form));
      }
    }
  }
}

TEST_P(PackedMatmul, ZeroInputGivesZero) {
  const auto& [table, bits, group_size, metadata_bits] = GetParam();
  const QuantizedMatrix quantized =
      testing_support::random_quantized(20, 96, bits, group_size, 2, metadata_bits);
  const std::vector<std::uint8_t> blocks = pack(quantized, 1);
  for (const InputForm form : kForms) {
    const auto outputs = multiply(*table, {{20, 96, bits, group_size, metadata_bits}, blocks},
                                  std::vector<float>(96, 0.0f), 1, form);
    for (const float output : outputs) EXPECT_EQ(output, 0.0f);
  }
}

/// Scales of 0 make outputs of exactly 0, whatever the size of the inputs, and change no other output: tiles
/// of one digit add the exponents of two scales, and 0 has none to add to.
TEST_P(PackedMatmul, ScalesOfZeroGiveZero) {
  const auto& [table, bits, group_size, metadata_bits] = GetParam();
  constexpr std::size_t kRows = 48, kInputs = 256, kTokens = 24;
  QuantizedMatrix quantized =
      testing_support::random_quantized(kRows, kInputs, bits, group_size, 6, metadata_bits);
  const std::size_t groups = quantized.num_groups();
  for (std::size_t row = 0; row < kRows; row += 2) {
    std::fill_n(quantized.scales.begin() + static_cast<std::ptrdiff_t>(row * groups), groups,
                0.0f);
  }
  const std::vector<std::uint8_t> blocks = pack(quantized, 1);
  const PackedMatrixView matrix{{kRows, kInputs, bits, group_size, metadata_bits}, blocks};
  const std::vector<float> weights = dequantize(matrix);
  std::vector<float> inputs = testing_support::random_normal(kTokens * kInputs, 12);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    inputs[i] = std::ldexp(inputs[i], 4 * static_cast<int>(i / kInputs) - 48);
  }
  const double max_code_term = testing_support::kLargestScale * (1 << bits) * 2.0;
  for (const InputForm form : kForms) {
    SCOPED_TRACE(name_of(form));
    const auto expected = multiply(*runnable_tables().front(), matrix, inputs, kTokens, form);
    const auto actual = multiply(*table, matrix, inputs, kTokens, form);
    for (std::size_t at = 0; at < actual.size(); ++at) {
      const std::size_t row = at % kRows;
      if (row % 2 == 0) {
        EXPECT_EQ(actual[at], 0.0f);
        continue;
      }
      EXPECT_NEAR(actual[at], expected[at],
                  tolerance(weights, inputs.data() + at / kRows * kInputs, kInputs, group_size,
                            row, max_code_term, form));
    }
  }
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

}  // namespace
}  // namespace trine::kernels
