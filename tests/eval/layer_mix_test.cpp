#include "eval/layer_mix.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "support/expect_error.h"

namespace trine::eval {
namespace {

using testing_support::expect_error;

std::size_t bytes_of(const std::vector<LayerExpert>& experts) {
  std::size_t bytes = 0;
  for (const LayerExpert& expert : experts) bytes += expert.stored_bytes;
  return bytes;
}

/// gate_proj, up_proj and down_proj as docs/format.md stores them with 16-bit scales and zeros:
/// groups of `group` codes and 32 bits for each row; factors of 3 bits in groups of 64.
std::size_t expected_bytes(const LayerBenchOptions& options, const LayerExpert& expert) {
  const std::size_t weights = 3 * options.hidden_size * options.intermediate_size;
  const std::size_t factors =
      3 * expert.rank * (options.hidden_size + options.intermediate_size);
  const std::size_t bits = static_cast<std::size_t>(expert.bits);
  return weights * bits / 8 + weights / options.group_size * 4 + factors * 3 / 8 +
         factors / 64 * 4;
}

TEST(LayerMix, SpreadsTheBytesOfTheUniformLayer) {
  const LayerBenchOptions options;  // a layer of Mixtral
  const auto mixed = mixed_experts(options), uniform = uniform_experts(options);
  ASSERT_EQ(mixed.size(), 8u);
  ASSERT_EQ(uniform.size(), 8u);
  EXPECT_EQ(bytes_of(mixed), bytes_of(uniform));
  std::set<int> bits;
  std::set<std::size_t> ranks;
  for (const LayerExpert& expert : mixed) {
    bits.insert(expert.bits);
    ranks.insert(expert.rank);
    EXPECT_EQ(expert.stored_bytes, expected_bytes(options, expert)) << expert.bits;
  }
  EXPECT_EQ(bits, (std::set<int>{2, 3, 4}));
  EXPECT_EQ(ranks, (std::set<std::size_t>{0, 16, 48, 64}));
  for (const LayerExpert& expert : uniform) {
    EXPECT_EQ(expert.bits, 3);
    EXPECT_EQ(expert.rank, 32u);
  }
}

TEST(LayerMix, NeedsNoPairsAndNoRanks) {
  LayerBenchOptions options{
      .hidden_size = 128, .intermediate_size = 192, .num_experts = 5, .rank = 16};
  EXPECT_EQ(bytes_of(mixed_experts(options)), bytes_of(uniform_experts(options)));
  EXPECT_EQ(mixed_experts(options).back().bits, 3);
  options.rank = 0;
  EXPECT_EQ(bytes_of(mixed_experts(options)), bytes_of(uniform_experts(options)));
  EXPECT_EQ(mixed_experts(options).front().bits, 2);
  EXPECT_EQ(mixed_experts(options).front().rank, 0u);
}

TEST(LayerOptions, NameWhatIsImpossible) {
  const auto refuse = [](const LayerBenchOptions& options, const char* word) {
    expect_error(check_options(options), ErrorCode::kInvalidArgument, {word});
  };
  EXPECT_TRUE(check_options(LayerBenchOptions{}).has_value());
  refuse({.hidden_size = 0}, "hidden size is 0");
  refuse({.hidden_size = 1u << 20, .intermediate_size = 4096}, "intermediate size is 4096");
  refuse({.num_experts = 0}, "experts is 0");
  refuse({.num_experts = 4, .experts_per_token = 5}, "experts per token is 5");
  refuse({.group_size = 48}, "group size is 48");
  refuse({.metadata_bits = 4}, "metadata bits is 4");
  refuse({.rank = 20}, "rank is 20");
  refuse({.hidden_size = 64, .rank = 48}, "up to 32");
  refuse({.batches = {}}, "batch");
  refuse({.batches = {1, 0}}, "batch is 0");
  refuse({.activations = "4"}, "activations is \"4\"");
}

}  // namespace
}  // namespace trine::eval
