#include "eval/random_matrices.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/random.h"
#include "eval/large_buffer.h"
#include "eval/random_blocks.h"
#include "kernels/block_codec.h"

namespace trine::eval {
namespace {

struct Case {
  int bits;
  int metadata_bits;
};

class RandomBlocks : public testing::TestWithParam<Case> {};

TEST_P(RandomBlocks, AreWeightsOfBothSignsLikeThoseOfAModel) {
  const PackedLayout layout{48, 256, GetParam().bits, 64, GetParam().metadata_bits};
  std::vector<std::uint8_t> blocks(layout.total_bytes());
  fill_random_blocks(layout, 1, 2, blocks);
  double sum = 0.0, squares = 0.0;
  const std::vector<float> weights = kernels::dequantize({layout, blocks});
  for (const float weight : weights) {
    ASSERT_TRUE(std::isfinite(weight));
    sum += weight;
    squares += static_cast<double>(weight) * weight;
  }
  const auto count = static_cast<double>(weights.size());
  // Codes are uniform, their deviation is levels / √12; scales lie around 2⁻⁷ within a half.
  const double expected = (1 << GetParam().bits) / std::sqrt(12.0) / 128.0;
  const double deviation = std::sqrt(squares / count);
  EXPECT_GT(deviation, 0.7 * expected);
  EXPECT_LT(deviation, 1.5 * expected);
  EXPECT_LT(std::abs(sum / count), 0.2 * deviation);
}

TEST_P(RandomBlocks, AreTheSameForAnyNumberOfThreadsAndDifferBySeed) {
  const PackedLayout layout{48, 256, GetParam().bits, 64, GetParam().metadata_bits};
  std::vector<std::uint8_t> one(layout.total_bytes()), three(one), other(one);
  fill_random_blocks(layout, 1, 1, one);
  fill_random_blocks(layout, 1, 3, three);
  fill_random_blocks(layout, 2, 1, other);
  EXPECT_EQ(one, three);
  EXPECT_NE(one, other);
}

INSTANTIATE_TEST_SUITE_P(Widths, RandomBlocks,
                         testing::Values(Case{2, 16}, Case{3, 16}, Case{3, 8}, Case{8, 16},
                                         Case{8, 8}));

/// y in fp64, of the weights and the factors of a matrix.
std::vector<float> outputs_of(const CompensatedMatrixView& matrix,
                              const std::vector<float>& inputs) {
  const PackedLayout& layout = matrix.codes.layout;
  const auto weights = kernels::dequantize(matrix.codes);
  const auto left = kernels::dequantize(std::get<PackedMatrixView>(matrix.low_rank.left));
  const auto right = kernels::dequantize(std::get<PackedMatrixView>(matrix.low_rank.right));
  const std::size_t out = layout.out_features, in = layout.in_features;
  std::vector<float> outputs;
  for (std::size_t token = 0; token < inputs.size() / in; ++token) {
    const float* input = inputs.data() + token * in;
    for (std::size_t o = 0; o < out; ++o) {
      double sum = 0.0;
      for (std::size_t i = 0; i < in; ++i) {
        double weight = weights[o * in + i];
        for (std::size_t j = 0; j < matrix.low_rank.rank; ++j) {
          weight += static_cast<double>(left[j * out + o]) * right[j * in + i];
        }
        sum += weight * input[i];
      }
      outputs.push_back(static_cast<float>(sum));
    }
  }
  return outputs;
}

TEST(RandomMatrices, FillTheBufferWithDifferentMatrices) {
  const PackedLayout layout{64, 128, 3, 64, 16};
  const std::size_t one = RandomMatrices::bytes_of_one(layout, 16);
  const auto buffer = LargeBuffer::allocate(3 * one + one / 2);
  ASSERT_TRUE(buffer.has_value());
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer->bytes().data()) % (2u << 20), 0u);
  const RandomMatrices matrices(layout, 16, buffer->bytes(), 100, 2);
  ASSERT_EQ(matrices.size(), 3u);
  EXPECT_EQ(matrices.bytes().size(), 3 * one);
  EXPECT_EQ(matrices[3].codes.blocks.data(), matrices[0].codes.blocks.data());
  EXPECT_NE(kernels::dequantize(matrices[0].codes), kernels::dequantize(matrices[1].codes));
  EXPECT_EQ(RandomMatrices(layout, 16, buffer->bytes(), 2, 1).size(), 2u);
}

TEST(SampledError, IsThatOfTheOutputs) {
  const PackedLayout layout{64, 128, 3, 64, 16};
  const auto buffer = LargeBuffer::allocate(RandomMatrices::bytes_of_one(layout, 16));
  ASSERT_TRUE(buffer.has_value());
  const RandomMatrices matrices(layout, 16, buffer->bytes(), 1, 1);
  base::Random random(3);
  std::vector<float> inputs(2 * layout.in_features);
  for (float& value : inputs) value = static_cast<float>(random.normal());
  std::vector<float> outputs = outputs_of(matrices[0], inputs);
  // Sums are rounded to fp32 once: 2⁻²⁴ each.
  EXPECT_LT(sampled_error(matrices[0], true, inputs, outputs), 1e-7);
  EXPECT_GT(sampled_error(matrices[0], false, inputs, outputs), 0.01);
  for (float& value : outputs) value *= 1.01f;
  EXPECT_NEAR(sampled_error(matrices[0], true, inputs, outputs), 0.01, 1e-5);
}

}  // namespace
}  // namespace trine::eval
