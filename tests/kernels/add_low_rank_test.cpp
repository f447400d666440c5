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

TEST_P(AddLowRank, AgreesWithSumsInDouble) {
  const KernelTable& table = *std::get<0>(GetParam());
  for (const std::size_t out_features : {1u, 64u, 100u, 130u, 200u}) {
    for (const std::size_t rank : {1u, 8u, 16u, 40u}) {
      for (const std::size_t tokens : {1u, 3u, 9u}) {
        SCOPED_TRACE(testing::Message() << out_features << " outputs, rank " << rank << ", "
                                        << tokens << " tokens");
        const Case made = make(out_features, rank, tokens);
        const std::vector<float> left = dequantize({made.layout, made.blocks});
        const auto output = made.run(table, made.layout.num_groups() / 2);
        for (std::size_t at = 0; at < output.size(); ++at) {
          const std::size_t token = at / out_features, out = at % out_features;
          double expected = made.before[at], magnitude = std::abs(expected);
          for (std::size_t j = 0; j < rank; ++j) {
            const double term = static_cast<double>(left[j * out_features + out]) *
                                made.projected[token * rank + j];
            expected += term;
            magnitude += std::abs(term);
          }
          // Each of `rank` fused additions and the last one round by 2^-24 of at most the sum of
          // magnitudes.
          const double roundings = static_cast<double>(rank + 1);
          ASSERT_NEAR(output[at], expected, std::ldexp(roundings * magnitude, -24));
        }
      }
    }
  }
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

INSTANTIATE_TEST_SUITE_P(EveryIsa, AddLowRank,
                         testing::Combine(testing::ValuesIn(runnable_tables().begin(),
                                                            runnable_tables().end()),
                                          testing::Values(3, 4, 8), testing::Values(16, 8)),
                         [](const auto& tested) {
                           return std::string(std::get<0>(tested.param)->name) + "_w" +
                                  std::to_string(std::get<1>(tested.param)) + "_m" +
                                  std::to_string(std::get<2>(tested.param));
                         });

}  // namespace
}  // namespace trine::kernels
