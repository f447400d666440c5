// An engine with an encoder: what each half sees, and what is refused.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "runtime/engine.h"
#include "support/encoder_decoder.h"
#include "support/expect_error.h"
#include "support/scalar_kernels.h"

namespace trine::runtime {
namespace {

using testing_support::expect_error;
using testing_support::MemoryWeights;
using testing_support::random_tokens;
using testing_support::random_weights;
using testing_support::scalar;
using testing_support::sentence;
using testing_support::small_encoder_decoder;
using testing_support::small_spec;

class EncoderDecoderTest : public testing::Test {
 protected:
  /// Hidden states of `tokens` after the encoder has read `input`.
  std::vector<float> run(std::span<const std::int32_t> input,
                         std::span<const std::int32_t> tokens) {
    KvCache cache(spec_);
    const SequenceStep read{input, &cache}, step{tokens, &cache};
    EXPECT_TRUE(engine_.encode(std::span(&read, 1)).has_value());
    return engine_.forward(std::span(&step, 1)).value();
  }
  /// Hidden states are below 10; eight products of at most 48 terms follow one another, each off
  /// by √48 · 48 ulp of that if it sums in another order.
  static void expect_near(std::span<const float> left, std::span<const float> right) {
    ASSERT_EQ(left.size(), right.size());
    for (std::size_t i = 0; i < left.size(); ++i) {
      EXPECT_NEAR(left[i], right[i], 10.0 * 8 * 333 * 0x1p-24);
    }
  }

  ModelSpec spec_ = small_encoder_decoder();
  MemoryWeights weights_ = random_weights(spec_, 1);
  Engine engine_ = Engine::load(spec_, weights_, scalar(), 2).value();
  std::vector<std::int32_t> input_ = random_tokens(9, spec_.vocab_size, 1);
  std::vector<std::int32_t> tokens_ = random_tokens(6, spec_.vocab_size, 2);
};

TEST_F(EncoderDecoderTest, DecodesInPiecesWhatItPrefills) {
  const auto whole = run(input_, tokens_);
  KvCache cache(spec_);
  const SequenceStep read{input_, &cache};
  ASSERT_TRUE(engine_.encode(std::span(&read, 1)).has_value());
  EXPECT_EQ(cache.memory_length(), 9u);
  EXPECT_EQ(cache.length(), 0u);
  std::vector<float> pieces;
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    const SequenceStep step{std::span(tokens_).subspan(i, 1), &cache};
    const auto hidden = engine_.forward(std::span(&step, 1));
    ASSERT_TRUE(hidden.has_value()) << sentence(hidden);
    pieces.insert(pieces.end(), hidden->begin(), hidden->end());
  }
  expect_near(pieces, whole);
}

TEST_F(EncoderDecoderTest, RunsSequencesOfDifferentLengthsTogether) {
  const auto other_input = random_tokens(4, spec_.vocab_size, 3);
  const auto other_tokens = random_tokens(8, spec_.vocab_size, 4);
  KvCache first(spec_), second(spec_);
  RoutingTrace encoder_trace, trace;
  const std::vector<SequenceStep> reads = {{input_, &first}, {other_input, &second}};
  ASSERT_TRUE(engine_.encode(reads, {&encoder_trace}).has_value());
  const std::vector<SequenceStep> steps = {{tokens_, &first}, {other_tokens, &second}};
  const auto together = engine_.forward(steps, {&trace});
  ASSERT_TRUE(together.has_value()) << sentence(together);
  ASSERT_EQ(encoder_trace.size(), 1u);
  EXPECT_EQ(encoder_trace[0].experts.size(), 2u * (9 + 4));
  ASSERT_EQ(trace.size(), 2u);
  EXPECT_EQ(trace[0].experts.size(), 2u * (6 + 8));
  std::vector<float> apart = run(input_, tokens_);
  const auto rest = run(other_input, other_tokens);
  apart.insert(apart.end(), rest.begin(), rest.end());
  expect_near(*together, apart);
}

TEST_F(EncoderDecoderTest, SeesAllOfTheInputButNoLaterTokenOfTheText) {
  const std::size_t width = spec_.hidden_size;
  const auto original = run(input_, tokens_);
  auto changed = input_;
  changed.back() = (changed.back() + 1) % 50;
  EXPECT_NE(run(changed, tokens_)[0], original[0]);
  changed = tokens_;
  changed.back() = (changed.back() + 1) % 50;
  const auto later = run(input_, changed);
  expect_near(std::span(later).first(5 * width), std::span(original).first(5 * width));
  EXPECT_GT(std::abs(later.back() - original.back()), 1e-2);
}

TEST_F(EncoderDecoderTest, TellsPositionsApartByItsBias) {
  // Rotation would tell them apart too; without it nothing else does.
  spec_.rope.frequencies.clear();
  engine_ = Engine::load(spec_, weights_, scalar(), 1).value();
  const std::vector<std::int32_t> turned(input_.rbegin(), input_.rend());
  const auto first = std::span(tokens_).first(1);
  const auto with_bias = run(input_, first);
  EXPECT_NE(run(turned, first), with_bias);
  spec_.encoder->relative_bias.reset();
  engine_ = Engine::load(spec_, weights_, scalar(), 1).value();
  expect_near(run(turned, first), run(input_, first));
}

TEST_F(EncoderDecoderTest, StartsFromItsStartToken) {
  KvCache cache(spec_);
  const auto hidden = engine_.prefill({input_, &cache});
  ASSERT_TRUE(hidden.has_value()) << sentence(hidden);
  EXPECT_EQ(*hidden, run(input_, std::vector<std::int32_t>{3}));
  EXPECT_EQ(cache.length(), 1u);
}

TEST_F(EncoderDecoderTest, RefusesHalvesInTheWrongOrder) {
  KvCache cache(spec_);
  const SequenceStep read{input_, &cache}, step{tokens_, &cache};
  expect_error(engine_.forward(std::span(&step, 1)), ErrorCode::kInvalidArgument,
               {"mixtral", "needs an encoded input"});
  ASSERT_TRUE(engine_.encode(std::span(&read, 1)).has_value());
  ASSERT_TRUE(engine_.encode(std::span(&read, 1)).has_value());  // replaces the first
  ASSERT_TRUE(engine_.forward(std::span(&step, 1)).has_value());
  expect_error(engine_.encode(std::span(&read, 1)), ErrorCode::kInvalidArgument,
               {"6 tokens already"});
  const std::vector<std::int32_t> outside = {50};
  KvCache fresh(spec_);
  const SequenceStep bad{outside, &fresh};
  expect_error(engine_.encode(std::span(&bad, 1)), ErrorCode::kInvalidArgument,
               {"token id 50"});
  EXPECT_EQ(fresh.memory_length(), 0u);
}

TEST_F(EncoderDecoderTest, IsNotADecoderOnlyModel) {
  const ModelSpec spec = small_spec();
  const MemoryWeights weights = random_weights(spec, 1);
  Engine engine = Engine::load(spec, weights, scalar(), 1).value();
  KvCache cache(spec);
  const SequenceStep read{input_, &cache};
  expect_error(engine.encode(std::span(&read, 1)), ErrorCode::kInvalidArgument,
               {"mixtral has no encoder"});
}

}  // namespace
}  // namespace trine::runtime
