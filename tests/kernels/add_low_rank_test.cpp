// The epilogue of a compensator on every instruction set, against sums in double.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "core/matrix_plan.h"
#include "kernels/block_codec.h"
#include "kernels/kernel_table.h"
#include "support/random_matrices.h"

namespace trine::kernels {
namespace {

using testing_support::random_normal;

class AddLowRank : public testing::TestWithParam<std::tuple<const KernelTable*, int, int>> {
 protected:
  struct Case {
    std::size_t out_features = 0, rank = 0, tokens = 0;
    std::vector<std::uint8_t> blocks{};
    PackedLayout layout{};
    std::vector<float> projected{}, before{};

    [[nodiscard]] std::vector<float> run(const KernelTable& table, std::size_t split) const {
      std::vector<float> output = before;
      const std::size_t groups = layout.num_groups();
      for (const GroupRange range : {GroupRange{0, split}, GroupRange{split, groups}}) {
        table.add_low_rank({layout, blocks}, range, projected.data(), tokens,
                           {output.data(), out_features});
      }
      return output;
    }
  };

  static Case make(std::size_t out_features, std::size_t rank, std::size_t tokens) {
    const auto& [table, bits, metadata_bits] = GetParam();
    const QuantizedMatrix left = testing_support::random_quantized(
        rank, out_features, bits, kFactorGroupSize, rank + out_features, metadata_bits);
    return {out_features,
            rank,
            tokens,
            pack(left, 1),
            {rank, out_features, bits, kFactorGroupSize, metadata_bits},
            random_normal(tokens * rank, 1),
            random_normal(tokens * out_features, 2)};
  }
};

/// The exact output, and by how much it may be missed.
struct Expected {
  double value = 0.0, tolerance = 0.0;
};

/// @param weights the factor as fp32, [rank, out_features]
Expected expected_of(const PackedMatrixView& left, const std::vector<float>& weights,
                     const float* projected, float before, std::size_t out) {
  const PackedLayout& layout = left.layout;
  Expected sum{before, 0.0};
  double largest = 0.0, centred = 0.0, magnitude = std::abs(double{before});
  BlockMetadata metadata;
  for (std::size_t j = 0; j < layout.out_features; ++j) {
    if (j % kBlockRows == 0) {
      metadata = read_metadata(left.blocks.data() + j / kBlockRows * layout.row_block_bytes(),
                               layout, out / layout.group_size);
    }
    const double weight = weights[j * layout.in_features + out];
    const double factor = std::abs(double{metadata.scales[j % kBlockRows]} * projected[j]);
    sum.value += weight * projected[j];
    largest = std::max(largest, factor);
    centred += std::abs(weight / metadata.scales[j % kBlockRows]);
    // Code and zero may be taken apart; neither is larger than this.
    magnitude += factor * ((1 << layout.bits) + std::abs(metadata.zeros[j % kBlockRows]));
  }
  // scale · projected is rounded to 1/32638 of the largest (kernel_table.h), a hundredth more for the
  // rounding of its inverse. Sums of up to `rank` fused additions round by 2^-24 of the magnitudes
  // each, and so does what comes after them.
  const double roundings = static_cast<double>(layout.out_features) + 8.0;
  sum.tolerance = 1.01 * largest / 32638.0 * centred + std::ldexp(roundings * magnitude, -24);
  return sum;
}

TEST_P(AddLowRank, AgreesWithSumsInDouble) {
  const KernelTable& table = *std::get<0>(GetParam());
  for (const std::size_t out_features : {1u, 64u, 100u, 130u, 200u}) {
    for (const std::size_t rank : {1u, 8u, 16u, 40u, 300u}) {
      for (const std::size_t tokens : {1u, 3u, 16u}) {
        SCOPED_TRACE(testing::Message() << out_features << " outputs, rank " << rank << ", "
                                        << tokens << " tokens");
        const Case made = make(out_features, rank, tokens);
        const std::vector<float> left = dequantize({made.layout, made.blocks});
        const auto output = made.run(table, made.layout.num_groups() / 2);
        for (std::size_t at = 0; at < output.size(); ++at) {
          const std::size_t token = at / out_features, out = at % out_features;
          const Expected expected =
              expected_of({made.layout, made.blocks}, left,
                          made.projected.data() + token * rank, made.before[at], out);
          ASSERT_NEAR(output[at], expected.value, expected.tolerance);
        }
      }
    }
  }
}

/// The largest sums the integer arithmetic can meet: 256 ranks of full digits and largest codes.
TEST_P(AddLowRank, ExtremeCodesAndFactorsDoNotOverflow) {
  const auto& [table, bits, metadata_bits] = GetParam();
  QuantizedMatrix codes =
      testing_support::random_quantized(600, 64, bits, kFactorGroupSize, 1, metadata_bits);
  std::fill(codes.codes.begin(), codes.codes.end(), static_cast<std::uint8_t>((1 << bits) - 1));
  if (metadata_bits == 16) std::fill(codes.scales.begin(), codes.scales.end(), 0.015625f);
  const std::vector<std::uint8_t> blocks = pack(codes, 1);
  const PackedMatrixView left{{600, 64, bits, kFactorGroupSize, metadata_bits}, blocks};
  const std::vector<float> weights = dequantize(left);
  for (const float sign : {1.0f, -1.0f}) {
    const std::vector<float> projected(600, 2.0f * sign);
    std::vector<float> output(64, 1.0f);
    table->add_low_rank(left, {0, 1}, projected.data(), 1, {output.data(), 64});
    for (std::size_t out = 0; out < 64; ++out) {
      const Expected expected = expected_of(left, weights, projected.data(), 1.0f, out);
      ASSERT_NEAR(output[out], expected.value, expected.tolerance);
    }
  }
}

/// A token whose projections are all zero, as those of an empty input, adds nothing.
TEST_P(AddLowRank, NothingProjectedAddsNothing) {
  const Case made = make(100, 20, 1);
  Case nothing = made;
  std::fill(nothing.projected.begin(), nothing.projected.end(), 0.0f);
  EXPECT_EQ(nothing.run(*std::get<0>(GetParam()), 1), made.before);
}

TEST_P(AddLowRank, DoesNotDependOnHowOutputsAndTokensAreDivided) {
  const KernelTable& table = *std::get<0>(GetParam());
  const Case together = make(200, 40, 9);
  const auto expected = together.run(table, 0);
  for (const std::size_t split : {1u, 3u}) EXPECT_EQ(together.run(table, split), expected);
  for (std::size_t token = 0; token < 9; ++token) {
    Case alone = together;
    alone.tokens = 1;
    const auto at = static_cast<std::ptrdiff_t>(token);
    alone.projected.assign(together.projected.begin() + at * 40,
                           together.projected.begin() + (at + 1) * 40);
    alone.before.assign(together.before.begin() + at * 200,
                        together.before.begin() + (at + 1) * 200);
    EXPECT_TRUE(
        std::ranges::equal(alone.run(table, 2), std::span(expected).subspan(token * 200, 200)))
        << "token " << token;
  }
}

TEST_P(AddLowRank, TouchesOnlyItsOutputs) {
  const KernelTable& table = *std::get<0>(GetParam());
  const Case made = make(130, 16, 2);
  std::vector<float> output = made.before;
  table.add_low_rank({made.layout, made.blocks}, {1, 2}, made.projected.data(), 2,
                     {output.data(), 130});
  for (std::size_t at = 0; at < output.size(); ++at) {
    const std::size_t out = at % 130;
    if (out >= 64 && out < 128) continue;
    EXPECT_EQ(output[at], made.before[at]) << at;
  }
}

INSTANTIATE_TEST_SUITE_P(
    EveryIsa, AddLowRank,
    testing::Combine(testing::ValuesIn(runnable_tables().begin(), runnable_tables().end()),
                     testing::Values(2, 3, 4, 5, 6, 8), testing::Values(16, 8)),
    [](const auto& tested) {
      return std::string(std::get<0>(tested.param)->name) + "_w" +
             std::to_string(std::get<1>(tested.param)) + "_m" +
             std::to_string(std::get<2>(tested.param));
    });

}  // namespace
}  // namespace trine::kernels
