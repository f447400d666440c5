// Products with packed weights: accuracy, and what a result may not depend on.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "kernels/block_codec.h"
#include "runtime/linear.h"
#include "support/fp32.h"
#include "support/memory_weights.h"
#include "support/random_matrices.h"

namespace trine::runtime {
namespace {

using testing_support::kUlp;
using testing_support::MemoryWeights;
using testing_support::random_normal;

constexpr std::size_t kPackedOut = 150, kPackedIn = 200;  // ragged: padding in both directions
constexpr int kMaxCode = 7;

/// Random 3-bit codes; scale and zero are the same everywhere and exact in fp16.
QuantizedMatrix random_matrix(base::Random& random, std::size_t group_size) {
  QuantizedMatrix matrix{
      .rows = kPackedOut, .cols = kPackedIn, .group_size = group_size, .bits = 3};
  for (std::size_t i = 0; i < kPackedOut * kPackedIn; ++i) {
    matrix.codes.push_back(static_cast<std::uint8_t>(random.next() % (kMaxCode + 1)));
  }
  matrix.scales.assign(kPackedOut * matrix.num_groups(), 0.25f);
  matrix.zeros.assign(kPackedOut * matrix.num_groups(), 3.5f);
  return matrix;
}

/// Two matrices of different group sizes that share their inputs.
class PackedLinearTest : public testing::TestWithParam<const kernels::KernelTable*> {
 protected:
  static constexpr std::size_t kTokens = 11;

  PackedLinearTest() {
    base::Random random(1);
    for (const std::size_t group_size : {32u, 64u}) {
      const QuantizedMatrix matrix = random_matrix(random, group_size);
      blocks_.push_back(kernels::pack(matrix, 1));
      const PackedLayout layout{kPackedOut, kPackedIn, matrix.bits, group_size};
      const std::string name = std::to_string(group_size);
      source_.set_view(name, PackedMatrixView{layout, blocks_.back()});
      linears_.push_back(Linear::load({name, kPackedOut, kPackedIn}, source_).value());
    }
    inputs_ = random_normal(kTokens * kPackedIn, 2);
  }

  /// Outputs of both matrices, one after the other.
  [[nodiscard]] std::vector<float> product(std::size_t first_token, std::size_t num_tokens,
                                           int threads) const {
    Compute compute(*GetParam(), threads);
    std::vector<float> outputs(2 * num_tokens * kPackedOut);
    multiply(compute,
             std::array{LinearCall{&linears_[0], outputs.data()},
                        LinearCall{&linears_[1], outputs.data() + num_tokens * kPackedOut}},
             inputs_.data() + first_token * kPackedIn, num_tokens);
    return outputs;
  }

  std::vector<std::vector<std::uint8_t>> blocks_;
  MemoryWeights source_;
  std::vector<Linear> linears_;
  std::vector<float> inputs_;
};

TEST_P(PackedLinearTest, AgreesWithDequantizedWeights) {
  const std::vector<float> outputs = product(0, kTokens, 2);
  float largest_input = 0.0f;
  for (const float x : inputs_) largest_input = std::max(largest_input, std::abs(x));
  // A table may round inputs to 1/32638 of the largest of their group (kernel_table.h). Beyond
  // that, fp32: |code − zero| is at most 3.5 but may be taken apart, code and zero are at most
  // 7 and 3.5; each of the n terms meets at most n + 4 roundings.
  const double n = kPackedIn;
  const double digits = n * 0.25 * 3.5 * largest_input / 32638.0;
  const double roundings = n * 0.25 * (7.0 + 3.5) * largest_input * (n + 4.0) * kUlp;
  for (std::size_t which = 0; which < 2; ++which) {
    const auto weights =
        kernels::dequantize(std::get<PackedMatrixView>(linears_[which].weight()));
    for (std::size_t token = 0; token < kTokens; ++token) {
      for (std::size_t row = 0; row < kPackedOut; ++row) {
        double expected = 0.0;
        for (std::size_t i = 0; i < kPackedIn; ++i) {
          expected += double{weights[row * kPackedIn + i]} * inputs_[token * kPackedIn + i];
        }
        const std::size_t place = (which * kTokens + token) * kPackedOut + row;
        ASSERT_NEAR(outputs[place], expected, digits + roundings);
      }
    }
  }
}

TEST_P(PackedLinearTest, DoesNotDependOnThreads) {
  const std::vector<float> one = product(0, kTokens, 1);
  EXPECT_EQ(product(0, kTokens, 2), one);
  EXPECT_EQ(product(0, kTokens, 3), one);
}

TEST_P(PackedLinearTest, DoesNotDependOnOtherTokens) {
  const std::vector<float> together = product(0, kTokens, 2);
  for (std::size_t token = 0; token < kTokens; ++token) {
    const std::vector<float> alone = product(token, 1, 1);
    for (std::size_t which = 0; which < 2; ++which) {
      const auto begin = together.begin() +
                         static_cast<std::ptrdiff_t>((which * kTokens + token) * kPackedOut);
      EXPECT_TRUE(std::equal(begin, begin + kPackedOut,
                             alone.begin() + static_cast<std::ptrdiff_t>(which * kPackedOut)))
          << "token " << token;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EveryIsa, PackedLinearTest,
                         testing::ValuesIn(kernels::runnable_tables().begin(),
                                           kernels::runnable_tables().end()),
                         [](const auto& tested) { return std::string(tested.param->name); });

}  // namespace
}  // namespace trine::runtime
