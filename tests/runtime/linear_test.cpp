// Products with dense weights, on every instruction set of this machine.
#include "runtime/linear.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <tuple>
#include <vector>

#include "kernels/block_codec.h"
#include "support/expect_error.h"
#include "support/fp32.h"
#include "support/memory_weights.h"
#include "support/random_matrices.h"

namespace trine::runtime {
namespace {

using testing_support::random_normal;

using testing_support::decode;
using testing_support::encode;
using testing_support::expect_error;
using testing_support::kUlp;
using testing_support::MemoryWeights;
using testing_support::random_normal;

/// Neither a multiple of any vector width nor of the 64 rows of a task.
const MatrixSpec kSpec{.name = "w", .out_features = 130, .in_features = 101};

using Param = std::tuple<const kernels::KernelTable*, DType, std::size_t>;

class DenseLinearTest : public testing::TestWithParam<Param> {
 protected:
  DenseLinearTest() {
    weights_ = random_normal(kSpec.out_features * kSpec.in_features, 1);
    source_.set("w", dtype(), {kSpec.out_features, kSpec.in_features}, weights_);
    weights_ = decode(dtype(), encode(dtype(), weights_));  // as stored
    inputs_ = random_normal(num_tokens() * kSpec.in_features, 2);
  }
  [[nodiscard]] DType dtype() const { return std::get<1>(GetParam()); }
  [[nodiscard]] std::size_t num_tokens() const { return std::get<2>(GetParam()); }
  [[nodiscard]] std::vector<float> product(int threads) const {
    const auto linear = Linear::load(kSpec, source_);
    Compute compute(*std::get<0>(GetParam()), threads);
    std::vector<float> outputs(num_tokens() * kSpec.out_features);
    multiply(compute, std::array{LinearCall{&linear.value(), outputs.data()}}, inputs_.data(),
             num_tokens());
    return outputs;
  }

  MemoryWeights source_;
  std::vector<float> weights_;
  std::vector<float> inputs_;
};

TEST_P(DenseLinearTest, AgreesWithDouble) {
  const std::vector<float> outputs = product(2);
  for (std::size_t token = 0; token < num_tokens(); ++token) {
    for (std::size_t row = 0; row < kSpec.out_features; ++row) {
      double expected = 0.0, magnitude = 0.0;
      for (std::size_t i = 0; i < kSpec.in_features; ++i) {
        const double term = double{weights_[row * kSpec.in_features + i]} *
                            inputs_[token * kSpec.in_features + i];
        expected += term;
        magnitude += std::abs(term);
      }
      // In whatever order: a term meets one product and at most n − 1 sums, and one rounding
      // of the result where the sum is kept in double.
      const double tolerance = static_cast<double>(kSpec.in_features + 1) * kUlp * magnitude;
      ASSERT_NEAR(outputs[token * kSpec.out_features + row], expected, tolerance);
    }
  }
}

TEST_P(DenseLinearTest, DoesNotDependOnThreads) {
  const std::vector<float> one = product(1);
  EXPECT_EQ(product(2), one);
  EXPECT_EQ(product(3), one);
}

INSTANTIATE_TEST_SUITE_P(EveryIsa, DenseLinearTest,
                         testing::Combine(testing::ValuesIn(kernels::runnable_tables().begin(),
                                                            kernels::runnable_tables().end()),
                                          testing::Values(DType::kF32, DType::kF16,
                                                          DType::kBF16),
                                          testing::Values(std::size_t{1}, std::size_t{2},
                                                          std::size_t{5}, std::size_t{33})),
                         [](const auto& tested) {
                           return std::string(std::get<0>(tested.param)->name) + "_" +
                                  std::string(name_of(std::get<1>(tested.param))) + "_" +
                                  std::to_string(std::get<2>(tested.param));
                         });

TEST(Linear, AppliesSeveralMatricesToTheSameInputs) {
  MemoryWeights source;
  source.set("a", DType::kF32, {2, 3}, std::vector<float>{1, 0, 0, 0, 1, 0});
  source.set("b", DType::kF16, {1, 3}, std::vector<float>{0, 0, 2});
  const auto a = Linear::load({.name = "a", .out_features = 2, .in_features = 3}, source);
  const auto b = Linear::load({.name = "b", .out_features = 1, .in_features = 3}, source);
  Compute compute(*kernels::runnable_tables().front(), 2);
  const std::vector<float> inputs = {1, 2, 3, 4, 5, 6};
  std::vector<float> a_outputs(4), b_outputs(2);
  multiply(compute,
           std::array{LinearCall{&a.value(), a_outputs.data()},
                      LinearCall{&b.value(), b_outputs.data()}},
           inputs.data(), 2);
  EXPECT_EQ(a_outputs, (std::vector<float>{1, 2, 4, 5}));
  EXPECT_EQ(b_outputs, (std::vector<float>{6, 12}));
}

/// Products with `spec` for `num_tokens` tokens, scalar kernels.
std::vector<float> product_of(const MatrixSpec& spec, const MemoryWeights& source,
                              const std::vector<float>& inputs) {
  const auto linear = Linear::load(spec, source);
  Compute compute(*kernels::runnable_tables().front(), 2);
  const std::size_t num_tokens = inputs.size() / spec.in_features;
  std::vector<float> outputs(num_tokens * spec.out_features);
  multiply(compute, std::array{LinearCall{&linear.value(), outputs.data()}}, inputs.data(),
           num_tokens);
  return outputs;
}

TEST(Linear, AddsItsBiasToEveryToken) {
  MatrixSpec spec = kSpec;
  MemoryWeights source;
  source.set("w", DType::kBF16, {130, 101}, random_normal(std::size_t{130} * 101, 3));
  const auto bias = random_normal(130, 4);
  source.set("b", DType::kF32, {130}, bias);
  for (const std::size_t num_tokens : {1u, 2u, 33u}) {
    const auto inputs = random_normal(num_tokens * 101, 5);
    spec.bias = {};
    std::vector<float> expected = product_of(spec, source, inputs);
    for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += bias[i % 130];
    spec.bias = {.name = "b", .size = 130};
    EXPECT_EQ(product_of(spec, source, inputs), expected);
  }
  spec.bias.size = 131;
  expect_error(Linear::load(spec, source), ErrorCode::kMalformed, {"\"b\"", "[130]", "[131]"});
  spec.bias.name = "none";
  expect_error(Linear::load(spec, source), ErrorCode::kNotFound, {"none"});
}

TEST(Linear, AddsItsBiasToPackedProducts) {
  const QuantizedMatrix matrix = testing_support::random_quantized(20, 64, 3, 32, 6);
  const auto blocks = kernels::pack(matrix, 1);
  const auto bias = random_normal(20, 7), inputs = random_normal(std::size_t{3} * 64, 8);
  MemoryWeights source;
  source.set_view("w", PackedMatrixView{{20, 64, 3, 32}, blocks});
  source.set("b", DType::kF32, {20}, bias);
  MatrixSpec spec{.name = "w", .out_features = 20, .in_features = 64};
  std::vector<float> expected = product_of(spec, source, inputs);
  for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += bias[i % 20];
  spec.bias = {.name = "b", .size = 20};
  EXPECT_EQ(product_of(spec, source, inputs), expected);
}

TEST(Linear, ReadsEncodedRowsAsItsOwn) {
  // 130 rows in every second column of a transposed plane: several tasks, each read apart.
  constexpr std::size_t kOut = 130, kIn = 101;
  const auto plane = random_normal(kIn * 2 * kOut, 9);
  std::vector<float> rows(kOut * kIn);
  for (std::size_t place = 0; place < rows.size(); ++place) {
    rows[place] = plane[place % kIn * 2 * kOut + 2 * (place / kIn) + 1];
  }
  MemoryWeights source;
  source.set("plane", DType::kF32, {kIn, 2 * kOut}, plane);
  source.set("rows", DType::kF32, {kOut, kIn}, rows);
  const MatrixSpec encoded{.name = "w",
                           .out_features = kOut,
                           .in_features = kIn,
                           .stored = {.tensor = "plane",
                                      .first_row = 1,
                                      .row_step = 2,
                                      .tensor_rows = 2 * kOut,
                                      .is_transposed = true}};
  const MatrixSpec plain{.name = "rows", .out_features = kOut, .in_features = kIn};
  for (const std::size_t num_tokens : {1u, 33u}) {
    const auto inputs = random_normal(num_tokens * kIn, 10);
    const auto found = product_of(encoded, source, inputs);
    const auto expected = product_of(plain, source, inputs);
    for (std::size_t i = 0; i < found.size(); ++i) {
      double magnitude = 0.0;
      for (std::size_t c = 0; c < kIn; ++c) {
        magnitude += std::abs(double{rows[i % kOut * kIn + c]} * inputs[i / kOut * kIn + c]);
      }
      // Both meet at most n roundings, in an order of their own.
      EXPECT_NEAR(found[i], expected[i], 2.0 * static_cast<double>(kIn + 1) * kUlp * magnitude);
    }
  }
  const auto linear = Linear::load(encoded, source);
  std::vector<float> row(kIn);
  linear->read_row(*kernels::runnable_tables().front(), 7, row.data());
  EXPECT_TRUE(std::equal(row.begin(), row.end(), rows.begin() + 7 * kIn));
  EXPECT_EQ(linear->stored_bytes(), plane.size() * sizeof(float) / 2);
}

TEST(Linear, OfNoMatrixLoadsAsNothing) {
  EXPECT_FALSE(Linear::load({}, MemoryWeights())->exists());
}

TEST(Linear, IsRefusedWhenItIsNotWhatTheModelNeeds) {
  MemoryWeights source;
  const MatrixSpec spec{.name = "w", .out_features = 2, .in_features = 3};
  expect_error(Linear::load(spec, source), ErrorCode::kNotFound, {"w"});
  source.set("w", DType::kF32, {3, 2}, std::vector<float>(6));
  expect_error(Linear::load(spec, source), ErrorCode::kMalformed, {"w", "[3, 2]", "[2, 3]"});
  const std::vector<std::uint8_t> bytes(2 * 3 + 256);
  source.set_view("w", TensorView{DType::kU8, {2, 3}, std::span(bytes).first(6)});
  expect_error(Linear::load(spec, source), ErrorCode::kUnsupported, {"w", "U8", "BF16"});
  const PackedLayout layout{.out_features = 2, .in_features = 4, .bits = 3, .group_size = 32};
  ASSERT_EQ(layout.total_bytes(), 256u);
  source.set_view("w", PackedMatrixView{layout, std::span(bytes).first(256)});
  expect_error(Linear::load(spec, source), ErrorCode::kMalformed, {"w", "[2, 4]", "[2, 3]"});
}

}  // namespace
}  // namespace trine::runtime
