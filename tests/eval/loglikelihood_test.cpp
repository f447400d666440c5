// Where context ends and continuation begins, and what a continuation is worth.
#include "eval/loglikelihood.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "support/expect_error.h"
#include "support/memory_weights.h"
#include "support/tokenizers.h"

namespace trine::eval {
namespace {

using testing_support::expect_error;
using testing_support::kTinyMixtral;
using testing_support::MemoryWeights;
using testing_support::open_or_throw;
using testing_support::random_tokens;
using testing_support::random_weights;
using testing_support::small_spec;
using Ids = std::vector<std::int32_t>;

class PairEncoderTest : public testing::Test {
 protected:
  [[nodiscard]] Ids encode(std::string_view text) const {
    return tokenizer_->encode(text, input::SpecialTokens::kInclude);
  }

  std::unique_ptr<input::Tokenizer> tokenizer_ = open_or_throw(kTinyMixtral);
  PairEncoder encoder_{*tokenizer_, 16};
};

TEST_F(PairEncoderTest, EncodesBothTogetherAndSplitsByTheContextsLength) {
  const ScoredTokens text = encoder_.pair("The lamp in the", " harbour office").value();
  EXPECT_EQ(text.token_ids, encode("The lamp in the harbour office"));
  EXPECT_EQ(text.num_scored, text.token_ids.size() - encode("The lamp in the").size());
}

TEST_F(PairEncoderTest, SpaceAtTheEndOfTheContextBelongsToTheContinuation) {
  const ScoredTokens text = encoder_.pair("The lamp \n", "burned").value();
  EXPECT_EQ(text.token_ids, encode("The lamp \nburned"));
  EXPECT_EQ(text.num_scored, text.token_ids.size() - encode("The lamp").size());
}

TEST_F(PairEncoderTest, AnEmptyContextIsOneBos) {
  const ScoredTokens text = encoder_.pair("", " burned").value();
  const Ids alone = tokenizer_->encode(" burned", input::SpecialTokens::kExclude);
  ASSERT_EQ(text.token_ids.size(), alone.size() + 1);
  EXPECT_EQ(text.token_ids.front(), tokenizer_->bos_id().value());
  EXPECT_EQ(text.num_scored, alone.size());
}

TEST_F(PairEncoderTest, ALongContextLosesItsBeginning) {
  const std::string context(200, 'x');
  const ScoredTokens text = encoder_.pair(context, " burned").value();
  const Ids all = encode(context + " burned");
  EXPECT_EQ(text.token_ids, Ids(all.end() - 17, all.end()));  // the last one is only predicted
  EXPECT_EQ(text.num_scored, all.size() - encode(context).size());
}

TEST_F(PairEncoderTest, AnAnswerWithoutTokensOrWithTooManyIsRefused) {
  expect_error(encoder_.pair("The lamp", ""), ErrorCode::kMalformed, {"0 tokens", "1 to 16"});
  expect_error(encoder_.pair("The", std::string(200, 'x')), ErrorCode::kMalformed, {"1 to 16"});
}

TEST_F(PairEncoderTest, RollingPiecesPredictEveryTokenOnce) {
  std::string long_text;
  for (int i = 0; i < 30; ++i) long_text += " lamp " + std::to_string(i);
  const Ids all = encode(long_text);  // BOS and more than two pieces
  const auto pieces = encoder_.rolling(long_text).value();
  Ids predicted;
  for (const ScoredTokens& piece : pieces) {
    EXPECT_LE(piece.token_ids.size(), 17u);
    EXPECT_LT(piece.num_scored, piece.token_ids.size());
    predicted.insert(predicted.end(),
                     piece.token_ids.end() - static_cast<std::ptrdiff_t>(piece.num_scored),
                     piece.token_ids.end());
  }
  EXPECT_EQ(predicted, all);
  EXPECT_EQ(pieces.front().token_ids.front(),
            all.front());                          // BOS before BOS, as in the harness
  EXPECT_EQ(pieces.back().token_ids.size(), 17u);  // given all there is room for
}

/// Σ log softmax over the last `num_scored` tokens, each text run alone and summed in double.
double expected_value(runtime::Engine& engine, const ScoredTokens& text) {
  runtime::KvCache cache(engine.spec());
  const runtime::SequenceStep step{text.token_ids, &cache};
  const auto hidden = engine.forward(std::span(&step, 1)).value();
  const auto logits = engine.logits(hidden);
  const std::size_t vocabulary = engine.spec().vocab_size;
  double sum = 0.0;
  for (std::size_t i = text.token_ids.size() - text.num_scored; i < text.token_ids.size();
       ++i) {
    const float* row = logits.data() + (i - 1) * vocabulary;
    double total = 0.0;
    for (std::size_t v = 0; v < vocabulary; ++v) total += std::exp(double{row[v]});
    sum += row[text.token_ids[i]] - std::log(total);
  }
  return sum;
}

class ScoreGroupTest : public testing::Test {
 protected:
  /// Three texts that share their first four tokens, and one that shares none.
  [[nodiscard]] std::vector<ScoredTokens> group() const {
    std::vector<ScoredTokens> texts;
    const Ids shared = random_tokens(4, spec_.vocab_size, 1);
    for (const std::size_t length : {2u, 1u, 5u}) {
      Ids ids = shared;
      const Ids rest = random_tokens(length, spec_.vocab_size, length);
      ids.insert(ids.end(), rest.begin(), rest.end());
      texts.push_back({std::move(ids), length});
    }
    return texts;
  }

  ModelSpec spec_ = small_spec();
  MemoryWeights weights_ = random_weights(spec_, 1);
  runtime::Engine engine_ =
      runtime::Engine::load(spec_, weights_, *kernels::runnable_tables().front(), 2).value();
};

TEST_F(ScoreGroupTest, EqualsTextsRunAlone) {
  std::vector<ScoredTokens> texts = group();
  engine_.set_steady(true);
  texts.push_back({random_tokens(6, spec_.vocab_size, 9), 5});
  for (const std::size_t count : {1u, 3u, 4u}) {
    const auto scores = score_group(engine_, std::span(texts).first(count)).value();
    ASSERT_EQ(scores.size(), count);
    for (std::size_t i = 0; i < count; ++i) {
      // Logits are the same to the bit; only the sums of exponentials differ in rounding: fp32
      // exponentials of some hundred terms, 2^-24 each, per scored token.
      EXPECT_NEAR(scores[i].value, expected_value(engine_, texts[i]), 1e-5) << i;
    }
  }
}

TEST_F(ScoreGroupTest, GreedyIsWhatTheModelWouldHaveWritten) {
  Ids ids = random_tokens(5, spec_.vocab_size, 1);
  for (int i = 0; i < 3; ++i) {
    runtime::KvCache cache(spec_);
    const auto hidden = engine_.prefill({ids, &cache}).value();
    const auto logits = engine_.logits(hidden);
    ids.push_back(static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) -
                                            logits.begin()));
  }
  ScoredTokens greedy{ids, 3};
  ScoredTokens other = greedy;
  other.token_ids[6] = (other.token_ids[6] + 1) % static_cast<std::int32_t>(spec_.vocab_size);
  const std::vector<ScoredTokens> texts = {greedy, other};
  const auto scores = score_group(engine_, texts).value();
  EXPECT_TRUE(scores[0].is_greedy);
  EXPECT_FALSE(scores[1].is_greedy);
}

}  // namespace
}  // namespace trine::eval
