// What the engine refuses, and that a refusal leaves no trace.
#include "runtime/engine.h"

#include <gtest/gtest.h>

#include <vector>

#include "support/expect_error.h"
#include "support/memory_weights.h"
#include "support/scalar_kernels.h"

namespace trine::runtime {
namespace {

using testing_support::expect_error;
using testing_support::MemoryWeights;
using testing_support::random_tokens;
using testing_support::random_weights;
using testing_support::scalar;
using testing_support::sentence;
using testing_support::small_spec;

class EngineTest : public testing::Test {
 protected:
  [[nodiscard]] Result<Engine> load() const {
    return Engine::load(spec_, weights_, scalar(), 2);
  }

  /// Hidden states of `tokens` after what `cache` holds.
  static Result<std::vector<float>> run(Engine& engine, KvCache& cache,
                                        std::span<const std::int32_t> tokens) {
    const SequenceStep step{tokens, &cache};
    return engine.forward(std::span(&step, 1));
  }

  ModelSpec spec_ = small_spec();
  MemoryWeights weights_ = random_weights(spec_, 1);
};

TEST_F(EngineTest, GivesOneHiddenStatePerTokenAndFillsTheCache) {
  auto engine = load();
  ASSERT_TRUE(engine.has_value()) << sentence(engine);
  KvCache cache(spec_);
  const auto tokens = random_tokens(7, spec_.vocab_size, 1);
  RoutingTrace trace;
  const SequenceStep step{tokens, &cache};
  const auto hidden = engine->forward(std::span(&step, 1), {&trace});
  ASSERT_TRUE(hidden.has_value()) << sentence(hidden);
  EXPECT_EQ(hidden->size(), 7 * spec_.hidden_size);
  EXPECT_EQ(engine->logits(*hidden).size(), 7 * spec_.vocab_size);
  EXPECT_EQ(cache.length(), 7u);
  ASSERT_EQ(trace.size(), spec_.layers.size());
  EXPECT_EQ(trace[0].experts.size(), 7 * spec_.layers[0].moe->router.experts_per_token);
}

TEST_F(EngineTest, RefusesNothingToDo) {
  auto engine = load();
  ASSERT_TRUE(engine.has_value());
  expect_error(engine->forward({}), ErrorCode::kInvalidArgument, {"no sequence"});
  KvCache cache(spec_);
  expect_error(run(*engine, cache, {}), ErrorCode::kInvalidArgument, {"no new token"});
}

TEST_F(EngineTest, RefusesTokensOutsideTheVocabularyAndForgetsThem) {
  auto engine = load();
  ASSERT_TRUE(engine.has_value());
  const auto tokens = random_tokens(5, spec_.vocab_size, 2);
  const std::vector<std::int32_t> next = {3};
  KvCache untouched(spec_);
  ASSERT_TRUE(run(*engine, untouched, tokens).has_value());
  const auto expected = run(*engine, untouched, next);

  KvCache cache(spec_), other(spec_);
  ASSERT_TRUE(run(*engine, cache, tokens).has_value());
  for (const std::int32_t bad : {-1, 50, 1 << 30}) {
    const std::vector<std::int32_t> with_bad = {0, bad};
    // The bad token is in the second sequence; the first must not advance either.
    const std::vector<SequenceStep> steps = {{next, &cache}, {with_bad, &other}};
    expect_error(engine->forward(steps), ErrorCode::kInvalidArgument,
                 {std::to_string(bad), "vocabulary of 50"});
    EXPECT_EQ(cache.length(), 5u);
    EXPECT_EQ(other.length(), 0u);
  }
  EXPECT_EQ(run(*engine, cache, next).value(), expected.value());
}

TEST_F(EngineTest, RepeatsItselfAfterTruncation) {
  auto engine = load();
  ASSERT_TRUE(engine.has_value());
  KvCache cache(spec_);
  const auto tokens = random_tokens(6, spec_.vocab_size, 3);
  ASSERT_TRUE(run(*engine, cache, std::span(tokens).first(4)).has_value());
  const auto first = run(*engine, cache, std::span(tokens).last(2));
  cache.truncate(4);
  EXPECT_EQ(run(*engine, cache, std::span(tokens).last(2)).value(), first.value());
}

TEST_F(EngineTest, NamesTheMissingTensor) {
  for (const char* name :
       {"model.embed_tokens.weight", "model.norm.weight", "lm_head.weight",
        "model.layers.1.input_layernorm.weight", "model.layers.1.self_attn.o_proj.weight",
        "model.layers.0.block_sparse_moe.gate.weight",
        "model.layers.0.block_sparse_moe.experts.3.w2.weight"}) {
    weights_ = random_weights(spec_, 1);
    weights_.remove(name);
    expect_error(load(), ErrorCode::kNotFound, {name});
  }
}

TEST_F(EngineTest, RefusesEmbeddingsAndNormsItCannotRead) {
  const std::vector<std::uint8_t> bytes(spec_.vocab_size * spec_.hidden_size);
  weights_.set_view("model.embed_tokens.weight",
                    TensorView{DType::kU8, {spec_.vocab_size, spec_.hidden_size}, bytes});
  expect_error(load(), ErrorCode::kUnsupported, {"model.embed_tokens.weight", "U8"});
  weights_ = random_weights(spec_, 1);
  weights_.set_view("model.norm.weight",
                    TensorView{DType::kI8, {spec_.hidden_size}, std::span(bytes).first(32)});
  expect_error(load(), ErrorCode::kUnsupported, {"model.norm.weight", "I8"});
  weights_.set("model.norm.weight", DType::kF32, {31}, std::vector<float>(31));
  expect_error(load(), ErrorCode::kMalformed, {"model.norm.weight", "32"});
}

}  // namespace
}  // namespace trine::runtime
