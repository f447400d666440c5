// Perplexity and fidelity of small random models, against sums written out here.
#include "eval/perplexity.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "support/encoder_decoder.h"
#include "support/expect_error.h"
#include "support/fp32.h"
#include "support/memory_weights.h"

namespace trine::eval {
namespace {

using testing_support::expect_error;
using testing_support::kUlp;
using testing_support::MemoryWeights;
using testing_support::random_tokens;
using testing_support::random_weights;
using testing_support::sentence;
using testing_support::small_encoder_decoder;
using testing_support::small_spec;

/// Figures of one text.
struct Measured : TextFigures {
  std::string_view protocol{};
};

Result<Measured> measure_text(runtime::Engine& model, runtime::Engine* original,
                              std::span<const std::int32_t> token_ids,
                              const PerplexityOptions& options,
                              const base::ProgressSink& progress = {}) {
  const std::vector<std::vector<std::int32_t>> texts{{token_ids.begin(), token_ids.end()}};
  TRINE_ASSIGN_OR_RETURN(const auto windows, cut_texts(model.spec(), texts, options));
  std::optional<EngineReference> reference;
  if (original != nullptr) reference.emplace(*original);
  TRINE_ASSIGN_OR_RETURN(
      const auto result,
      measure_perplexity(model, windows, options, {reference ? &*reference : nullptr, nullptr},
                         progress));
  return Measured{result.all, result.protocol};
}

class PerplexityTest : public testing::Test {
 protected:
  [[nodiscard]] static runtime::Engine load(const ModelSpec& spec,
                                            const MemoryWeights& weights) {
    return runtime::Engine::load(spec, weights, *kernels::runnable_tables().front(), 2).value();
  }
  [[nodiscard]] Result<Measured> measure(const PerplexityOptions& options,
                                         runtime::Engine* reference = nullptr) {
    return measure_text(model_, reference, tokens_, options);
  }

  ModelSpec spec_ = small_spec();
  MemoryWeights weights_ = random_weights(spec_, 1);
  MemoryWeights other_weights_ = random_weights(spec_, 2);
  runtime::Engine model_ = load(spec_, weights_);
  runtime::Engine other_ = load(spec_, other_weights_);
  std::vector<std::int32_t> tokens_ = random_tokens(200, spec_.vocab_size, 3);
};

/// Natural logarithms of the softmax of one row, in double.
std::vector<double> log_softmax(std::span<const float> logits) {
  double sum = 0.0;
  for (const float logit : logits) sum += std::exp(double{logit});
  std::vector<double> logs;
  for (const float logit : logits) logs.push_back(logit - std::log(sum));
  return logs;
}

/// Log probabilities of one window: row i predicts token i + 1.
std::vector<std::vector<double>> predictions(runtime::Engine& model,
                                             std::span<const std::int32_t> window,
                                             runtime::RoutingTrace& trace) {
  runtime::KvCache cache(model.spec());
  const runtime::SequenceStep step{window, &cache};
  const auto hidden = model.forward(std::span(&step, 1), {&trace}).value();
  const std::size_t rows = window.size() - 1;
  const auto logits = model.logits(std::span(hidden).first(rows * model.spec().hidden_size));
  std::vector<std::vector<double>> logs;
  for (std::size_t row = 0; row < rows; ++row) {
    const std::size_t vocabulary = model.spec().vocab_size;
    logs.push_back(log_softmax(std::span(logits).subspan(row * vocabulary, vocabulary)));
  }
  return logs;
}

TEST_F(PerplexityTest, OfAModelThatKnowsNothingIsTheVocabulary) {
  const std::vector<float> zeros(spec_.vocab_size * spec_.hidden_size);
  weights_.set(spec_.lm_head.name, DType::kF32, {spec_.vocab_size, spec_.hidden_size}, zeros);
  model_ = load(spec_, weights_);
  const auto result = measure({.window = 20, .stride = 20});
  ASSERT_TRUE(result.has_value()) << sentence(result);
  EXPECT_EQ(result->num_windows, 10u);
  EXPECT_EQ(result->num_scored, 190u);
  // log 50 summed 190 times in double and divided again: at most 200 roundings of 2^-53.
  EXPECT_NEAR(result->perplexity.value, 50.0, 50.0 * 200 * 0x1p-53 * std::log(50.0));
  EXPECT_NEAR(result->nll.standard_error, 0.0, 1e-12);
  EXPECT_FALSE(result->fidelity.has_value());
}

TEST_F(PerplexityTest, OfAModelAgainstItselfFindsNoDifference) {
  for (const std::size_t stride : {30u, 10u}) {
    const auto result = measure({.window = 30, .stride = stride}, &model_);
    ASSERT_TRUE(result.has_value()) << sentence(result);
    ASSERT_TRUE(result->fidelity.has_value());
    EXPECT_EQ(result->fidelity->kl_divergence.value, 0.0);
    EXPECT_EQ(result->fidelity->kl_divergence.standard_error, 0.0);
    EXPECT_EQ(result->fidelity->top1_agreement.value, 1.0);
    EXPECT_EQ(result->fidelity->top1_agreement.standard_error, 0.0);
    EXPECT_EQ(result->fidelity->routing_agreement.value, 1.0);
  }
}

TEST_F(PerplexityTest, AgreesWithItsDefinitionOnOneWindow) {
  tokens_.resize(40);
  const auto result = measure({.window = 40, .stride = 40}, &other_);
  ASSERT_TRUE(result.has_value()) << sentence(result);

  runtime::RoutingTrace trace, original_trace;
  const auto logs = predictions(model_, tokens_, trace);
  const auto original = predictions(other_, tokens_, original_trace);
  double nll = 0.0, divergence = 0.0, largest_log = 0.0;
  int same = 0;
  for (std::size_t row = 0; row < 39; ++row) {
    nll -= logs[row][static_cast<std::size_t>(tokens_[row + 1])];
    for (std::size_t i = 0; i < spec_.vocab_size; ++i) {
      divergence += std::exp(original[row][i]) * (original[row][i] - logs[row][i]);
      largest_log = std::max({largest_log, -logs[row][i], -original[row][i]});
    }
    const auto best = [](const auto& values) {
      return std::max_element(values.begin(), values.end()) - values.begin();
    };
    same += best(logs[row]) == best(original[row]) ? 1 : 0;
  }
  EXPECT_EQ(result->num_scored, 39u);
  // Same logits; what differs is that log_sum_exp takes exponentials in fp32: with L the largest
  // logarithm, the argument is rounded by L ulp, exp by 2, so a row's sum is off by L + 2.
  const double sum_error = (largest_log + 2.0) * kUlp;
  EXPECT_NEAR(result->nll.value, nll / 39, sum_error);
  EXPECT_DOUBLE_EQ(result->perplexity.value, std::exp(result->nll.value));
  // Each logarithm is off by that and, rounded to fp32, by L ulp more. So is their difference,
  // at most 2L, twice; and the probability before it is L + 2 ulp plus that sum off.
  const double log_error = sum_error + largest_log * kUlp;
  const double tolerance = 2.0 * log_error + 2.0 * largest_log * (sum_error + log_error);
  ASSERT_GT(divergence / 39, 100.0 * tolerance);
  EXPECT_NEAR(result->fidelity->kl_divergence.value, divergence / 39, tolerance);
  EXPECT_DOUBLE_EQ(result->fidelity->top1_agreement.value, same / 39.0);

  int shared = 0;  // both choose two experts per token and layer
  for (std::size_t layer = 0; layer < 2; ++layer) {
    for (std::size_t token = 0; token < 40; ++token) {
      const auto* mine = trace[layer].experts.data() + token * 2;
      const auto* theirs = original_trace[layer].experts.data() + token * 2;
      shared += static_cast<int>(std::count(mine, mine + 2, theirs[0]) +
                                 std::count(mine, mine + 2, theirs[1]));
    }
  }
  EXPECT_DOUBLE_EQ(result->fidelity->routing_agreement.value, shared / 160.0);
}

TEST_F(PerplexityTest, DoesNotDependOnWindowsRunningTogether) {
  const auto together = measure({.window = 25, .stride = 25});
  ASSERT_TRUE(together.has_value()) << sentence(together);
  double nll = 0.0;
  for (std::size_t begin = 0; begin < 200; begin += 25) {
    const auto alone = measure_text(model_, nullptr, std::span(tokens_).subspan(begin, 25),
                                    {.window = 25, .stride = 25});
    ASSERT_TRUE(alone.has_value());
    nll += alone->nll.value * 24;
  }
  // Only the shapes of the products differ, so sums of at most n = 48 terms run in another
  // order: n ulp of Σ|w||x|, which is below √n times the norm of the output. Some 14 products
  // follow one another, each passing errors on about unchanged, and a negative log likelihood
  // moves by at most twice what a logit of size 4 does.
  const double tolerance = 14.0 * 48.0 * std::sqrt(48.0) * 4.0 * 2.0 * kUlp;
  EXPECT_NEAR(together->nll.value, nll / (8 * 24), tolerance);
  // What a wrong context would do is far above that: other windows, other values.
  const auto shifted = measure({.window = 20, .stride = 20});
  EXPECT_GT(std::abs(shifted->nll.value - together->nll.value), 2.0 * tolerance);
}

class HalvesTest : public PerplexityTest {
 protected:
  HalvesTest() {
    spec_ = small_encoder_decoder();
    weights_ = random_weights(spec_, 1);
    other_weights_ = random_weights(spec_, 2);
    model_ = load(spec_, weights_);
    other_ = load(spec_, other_weights_);
  }
  /// Sum of the negative log likelihoods of `targets` after the encoder read `input`.
  [[nodiscard]] double expected_nll(std::span<const std::int32_t> input,
                                    std::span<const std::int32_t> targets) {
    runtime::KvCache cache(spec_);
    std::vector<std::int32_t> given = {spec_.encoder->decoder_start_token};
    given.insert(given.end(), targets.begin(), targets.end() - 1);
    const runtime::SequenceStep read{input, &cache}, step{given, &cache};
    EXPECT_TRUE(model_.encode(std::span(&read, 1)).has_value());
    const auto logits = model_.logits(model_.forward(std::span(&step, 1)).value());
    double nll = 0.0;
    for (std::size_t row = 0; row < targets.size(); ++row) {
      nll -= log_softmax(std::span(logits).subspan(
          row * spec_.vocab_size, spec_.vocab_size))[static_cast<std::size_t>(targets[row])];
    }
    return nll;
  }
};

TEST_F(HalvesTest, PredictTheSecondFromTheFirst) {
  const auto result = measure({.window = 25, .stride = 25}, &other_);
  ASSERT_TRUE(result.has_value()) << sentence(result);
  EXPECT_EQ(result->protocol, "halves");
  EXPECT_EQ(result->num_windows, 8u);
  EXPECT_EQ(result->num_scored, 8u * 13);
  double nll = 0.0;
  for (std::size_t begin = 0; begin < 200; begin += 25) {
    const auto window = std::span(tokens_).subspan(begin, 25);
    nll += expected_nll(window.first(12), window.last(13));
  }
  // As below for windows that run together, with 24 products instead of 14.
  EXPECT_NEAR(result->nll.value, nll / (8 * 13), 24.0 * 48.0 * std::sqrt(48.0) * 8.0 * kUlp);
  EXPECT_GT(result->fidelity->kl_divergence.value, 0.01);
  EXPECT_LT(result->fidelity->top1_agreement.value, 1.0);
}

TEST_F(HalvesTest, CompareTheExpertsOfBothHalves) {
  const auto same = measure({.window = 30, .stride = 30}, &model_);
  ASSERT_TRUE(same.has_value()) << sentence(same);
  EXPECT_EQ(same->fidelity->kl_divergence.value, 0.0);
  EXPECT_EQ(same->fidelity->routing_agreement.value, 1.0);
  // Another encoder router changes the encoder's choices, whatever becomes of the decoder's.
  const std::string& router = spec_.encoder->layers[0].moe->router.matrix.name;
  MemoryWeights changed = weights_;
  changed.set(router, DType::kF32, {4, 32}, testing_support::random_normal(4 * 32, 77));
  runtime::Engine other = load(spec_, changed);
  const auto result = measure({.window = 30, .stride = 30}, &other);
  ASSERT_TRUE(result.has_value()) << sentence(result);
  EXPECT_LT(result->fidelity->routing_agreement.value, 0.95);
}

TEST_F(HalvesTest, RefuseStridesAndModelsWithoutAnEncoder) {
  expect_error(measure({.window = 30, .stride = 10}), ErrorCode::kInvalidArgument,
               {"stride is 10", "disjoint"});
  const ModelSpec spec = small_spec();
  const MemoryWeights weights = random_weights(spec, 1);
  runtime::Engine decoder = load(spec, weights);
  expect_error(measure({.window = 30, .stride = 30}, &decoder), ErrorCode::kInvalidArgument,
               {"2 layers", "not the same model"});
}

TEST_F(PerplexityTest, RefusesAReferenceWithOtherExperts) {
  ModelSpec dense = spec_;
  dense.layers[0].dense = dense.layers[0].moe->experts[0];
  dense.layers[0].moe.reset();
  runtime::Engine reference = load(dense, weights_);
  expect_error(measure({.window = 20, .stride = 20}, &reference), ErrorCode::kInvalidArgument,
               {"not the same model"});
}

TEST_F(PerplexityTest, OfSlidingWindowsScoresEveryTokenOnce) {
  const auto result = measure({.window = 30, .stride = 7});
  ASSERT_TRUE(result.has_value()) << sentence(result);
  EXPECT_EQ(result->protocol, "sliding");
  EXPECT_EQ(result->num_scored, 199u);
}

TEST_F(PerplexityTest, ReportsProgressUpToTheEnd) {
  tokens_ = random_tokens(5000, spec_.vocab_size, 4);  // several batches
  std::vector<std::uint64_t> done;
  const auto result = measure_text(model_, nullptr, tokens_, {.window = 50, .stride = 50},
                                   [&](const Progress& progress) {
                                     done.push_back(progress.done_units);
                                     EXPECT_EQ(progress.total_units, 5000u);
                                   });
  ASSERT_TRUE(result.has_value());
  EXPECT_GT(done.size(), 1u);
  EXPECT_TRUE(std::is_sorted(done.begin(), done.end()));
  EXPECT_EQ(done.back(), 5000u);
}

TEST_F(PerplexityTest, RefusesWhatItCannotCompare) {
  expect_error(measure({.window = 201, .stride = 201}), ErrorCode::kInvalidArgument,
               {"200 tokens", "201"});
  tokens_[100] = 50;
  expect_error(measure({.window = 20, .stride = 20}), ErrorCode::kInvalidArgument,
               {"token id 50"});
  ModelSpec shorter = spec_;
  shorter.layers.pop_back();
  runtime::Engine one_layer = load(shorter, weights_);
  expect_error(measure({.window = 20, .stride = 20}, &one_layer), ErrorCode::kInvalidArgument,
               {"1 layers", "2", "not the same model"});
}

}  // namespace
}  // namespace trine::eval
