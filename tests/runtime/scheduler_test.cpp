// Answers do not depend on company, memory or the order of work; nobody waits for ever.
#include "runtime/scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <stdexcept>
#include <vector>

#include "support/encoder_decoder.h"
#include "support/expect_error.h"
#include "support/memory_weights.h"

namespace trine::runtime {
namespace {

using testing_support::MemoryWeights;
using testing_support::random_tokens;
using testing_support::random_weights;
using testing_support::sentence;
using testing_support::small_spec;

/// What one sequence gave in all.
struct Answer {
  std::vector<std::int32_t> tokens{};
  std::vector<double> scores{};  ///< of the tokens
  std::vector<double> prompt_scores{};
  std::size_t cached_tokens = 0;
  std::optional<SequenceEnd> end{};
  std::size_t last_step = 0;

  bool operator==(const Answer& other) const {
    return tokens == other.tokens && scores == other.scores && end == other.end;
  }
};

class SchedulerTest : public testing::TestWithParam<const kernels::KernelTable*> {
 protected:
  void SetUp() override { load(small_spec()); }

  void load(const ModelSpec& spec) {
    spec_ = spec;
    weights_ = random_weights(spec_, 1);
    engine_.emplace(Engine::load(spec_, weights_, *GetParam(), 2).value());
  }

  [[nodiscard]] SequenceRequest request(std::size_t prompt_tokens, std::uint64_t seed) const {
    return {.prompt = random_tokens(prompt_tokens, spec_.vocab_size, seed),
            .sampling = {.temperature = seed % 2 == 0 ? 0.0 : 1.0, .seed = seed},
            .max_tokens = 12,
            .top_scores = 2};
  }

  static SchedulerOptions options() { return {.num_pages = 200}; }

  /// Runs to the end; sequences are added before the step of their number.
  std::map<SequenceId, Answer> run(const SchedulerOptions& given,
                                   const std::vector<SequenceRequest>& requests,
                                   std::size_t steps_between = 0) {
    Scheduler scheduler(*engine_, given);
    std::map<SequenceId, Answer> answers;
    std::size_t added = 0;
    for (std::size_t step = 0; step < 10'000; ++step) {
      while (added < requests.size() && added * steps_between <= step) {
        answers[scheduler.add(requests[added++])] = {};
      }
      if (scheduler.is_idle() && added == requests.size()) break;
      const auto outputs = scheduler.step();
      EXPECT_TRUE(outputs.has_value()) << sentence(outputs);
      if (!outputs) break;
      for (const SequenceOutput& output : *outputs) {
        Answer& answer = answers[output.id];
        if (output.token) answer.tokens.push_back(*output.token);
        if (output.score) answer.scores.push_back(output.score->token.log_probability);
        for (const TokenScore& score : output.prompt_scores) {
          answer.prompt_scores.push_back(score.token.log_probability);
        }
        answer.cached_tokens = output.cached_tokens;
        if (output.end) answer.end = output.end;
        answer.last_step = step;
      }
    }
    EXPECT_TRUE(scheduler.is_idle());
    EXPECT_EQ(scheduler.pool().available_pages(), scheduler.pool().num_pages());
    preemptions_ = scheduler.preemptions();
    return answers;
  }

  Answer run_alone(const SequenceRequest& wanted, const SchedulerOptions& given = options()) {
    return run(given, {wanted}).begin()->second;
  }

  ModelSpec spec_{};
  MemoryWeights weights_{};
  std::optional<Engine> engine_{};
  std::uint64_t preemptions_ = 0;
};

TEST_P(SchedulerTest, GivesEveryRequestWhatItGetsAlone) {
  std::vector<SequenceRequest> requests;
  for (std::uint64_t seed = 0; seed < 9; ++seed) {
    requests.push_back(request(1 + seed * 13 % 70, seed));
  }
  for (const KvFormat format : {KvFormat::kFp32, KvFormat::kFp16, KvFormat::kInt8}) {
    SchedulerOptions small = options(), large = options();
    small.kv_format = large.kv_format = format;
    small.most_running = 3;
    small.prefill_tokens = 7;
    std::vector<Answer> alone;
    for (const SequenceRequest& wanted : requests) alone.push_back(run_alone(wanted, large));
    for (const SchedulerOptions& given : {small, large}) {
      for (const std::size_t steps_between : {0u, 3u}) {
        const auto together = run(given, requests, steps_between);
        for (std::size_t i = 0; i < requests.size(); ++i) {
          EXPECT_EQ(together.at(i + 1), alone[i]) << "request " << i;
          EXPECT_EQ(alone[i].tokens.size(), 12u);
        }
      }
    }
  }
}

TEST_P(SchedulerTest, AgreesWithTheEngineOnItsOwn) {
  SequenceRequest wanted = request(40, 2);
  const Answer answer = run_alone(wanted);
  // The cache in fp32 and the plain engine: the same tokens unless two are nearly as likely.
  Engine plain = Engine::load(spec_, weights_, *GetParam(), 1).value();
  KvCache cache(spec_);
  std::vector<float> hidden = plain.prefill({wanted.prompt, &cache}).value();
  for (std::size_t i = 0; i < answer.tokens.size(); ++i) {
    const auto logits = plain.logits(hidden);
    // fp16 keys and values are off by 2^-11; logits of size 1 then by a few thousandths.
    const TokenScore score = score_token(logits, answer.tokens[i], 0);
    EXPECT_NEAR(score.token.log_probability, answer.scores[i], 0.02);
    const SequenceStep step{std::span(&answer.tokens[i], 1), &cache};
    hidden = plain.forward(std::span(&step, 1)).value();
  }
}

TEST_P(SchedulerTest, TakesOverWhatIsKnown) {
  const std::vector<SequenceRequest> twice = {request(70, 4), request(70, 4)};
  const Answer alone = run_alone(twice[0]);
  EXPECT_EQ(alone.cached_tokens, 0u);
  // At once: the second waits for the pages of the first; later: it finds them.
  for (const std::size_t steps_between : {0u, 20u}) {
    const auto answers = run(options(), twice, steps_between);
    EXPECT_EQ(answers.at(2).cached_tokens, 64u);
    EXPECT_EQ(answers.at(1), alone);
    EXPECT_EQ(answers.at(2), alone);
  }
}

TEST_P(SchedulerTest, ComputesAgainWhatItHadToForget) {
  std::vector<SequenceRequest> requests;
  for (std::uint64_t seed = 0; seed < 6; ++seed) requests.push_back(request(30, seed));
  SchedulerOptions tight = options();
  tight.num_pages = 5;  // six sequences of 42 tokens need twelve pages
  std::vector<Answer> alone;
  for (const SequenceRequest& wanted : requests) alone.push_back(run_alone(wanted));
  const auto together = run(tight, requests);
  for (std::size_t i = 0; i < requests.size(); ++i) EXPECT_EQ(together.at(i + 1), alone[i]);
  EXPECT_GT(preemptions_, 0u);
}

TEST_P(SchedulerTest, ShortPromptsDoNotWaitForLongOnes) {
  SchedulerOptions given = options();
  given.prefill_tokens = 64;
  std::vector<SequenceRequest> requests = {request(200, 1), request(200, 2), request(5, 3)};
  for (SequenceRequest& wanted : requests) wanted.max_tokens = 1;
  const auto answers = run(given, requests);
  EXPECT_EQ(answers.at(3).last_step, 0u);
  EXPECT_GT(answers.at(1).last_step, 3u);
}

TEST_P(SchedulerTest, ClientsTakeTurns) {
  SchedulerOptions given = options();
  given.most_running = 2;
  std::vector<SequenceRequest> requests;
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    requests.push_back(request(4, seed));
    requests.back().client = seed < 7 ? "greedy" : "modest";
  }
  const auto answers = run(given, requests);
  // The modest one comes after the two that run, not after all seven.
  EXPECT_LT(answers.at(8).last_step, answers.at(4).last_step);
}

TEST_P(SchedulerTest, ScoresThePrompt) {
  SequenceRequest wanted = request(90, 6);
  wanted.scores_prompt = true;
  SchedulerOptions given = options();
  given.prefill_tokens = 33;
  const Answer answer = run_alone(wanted, given);
  ASSERT_EQ(answer.prompt_scores.size(), 89u);
  const Answer at_once = run_alone(wanted);
  EXPECT_EQ(answer.prompt_scores, at_once.prompt_scores);
  Engine plain = Engine::load(spec_, weights_, *GetParam(), 1).value();
  KvCache cache(spec_);
  const SequenceStep step{wanted.prompt, &cache};
  const auto logits = plain.logits(plain.forward(std::span(&step, 1)).value());
  for (std::size_t i = 0; i < 89; ++i) {
    const std::span<const float> row(logits.data() + i * spec_.vocab_size, spec_.vocab_size);
    EXPECT_NEAR(answer.prompt_scores[i],
                score_token(row, wanted.prompt[i + 1], 0).token.log_probability, 0.02);
  }
}

TEST_P(SchedulerTest, EndsAtAnEndTokenAndForgetsTheCancelled) {
  SequenceRequest wanted = request(10, 2);
  const Answer whole = run_alone(wanted);
  wanted.end_tokens = {whole.tokens[3]};
  const Answer cut = run_alone(wanted);
  const auto first = std::find(whole.tokens.begin(), whole.tokens.end(), whole.tokens[3]);
  EXPECT_EQ(cut.tokens.size(), static_cast<std::size_t>(first - whole.tokens.begin()) + 1);
  EXPECT_EQ(cut.end, SequenceEnd::kEndToken);

  Scheduler scheduler(*engine_, options());
  const SequenceId id = scheduler.add(request(10, 2));
  ASSERT_TRUE(scheduler.step().has_value());
  EXPECT_LT(scheduler.pool().available_pages(), 200u);
  scheduler.cancel(id);
  scheduler.cancel(id);
  EXPECT_TRUE(scheduler.is_idle());
  EXPECT_EQ(scheduler.pool().available_pages(), 200u);
}

/// Allows one token, then nothing.
class OneToken final : public TokenFilter {
 public:
  std::span<const std::uint64_t> allowed() override { return {&bits_, 1}; }
  void accept(std::int32_t token) override {
    EXPECT_EQ(token, 17);
    bits_ = 0;
  }

 private:
  std::uint64_t bits_ = std::uint64_t{1} << 17;
};

TEST_P(SchedulerTest, FollowsAFilter) {
  SequenceRequest wanted = request(10, 3);
  wanted.filter = std::make_shared<OneToken>();
  const Answer answer = run_alone(wanted);
  EXPECT_EQ(answer.tokens, std::vector<std::int32_t>{17});
  EXPECT_EQ(answer.end, SequenceEnd::kNoneAllowed);
}

/// Allows a token and does not take it.
class FaultyFilter final : public TokenFilter {
 public:
  std::span<const std::uint64_t> allowed() override { return {&bits_, 1}; }
  void accept(std::int32_t) override { throw std::logic_error("not this one"); }

 private:
  std::uint64_t bits_ = std::uint64_t{1} << 17;
};

/// Has a fault of its own.
class ThrowingFilter final : public TokenFilter {
 public:
  std::span<const std::uint64_t> allowed() override { throw std::logic_error("no mask"); }
  void accept(std::int32_t) override {}
};

TEST_P(SchedulerTest, AnExceptionWhileSamplingReachesTheCaller) {
  SequenceRequest faulty = request(10, 3);
  faulty.filter = std::make_shared<ThrowingFilter>();
  EXPECT_THROW(static_cast<void>(run_alone(faulty)), std::logic_error);
}

TEST_P(SchedulerTest, AFaultyFilterEndsItsOwnSequenceOnly) {
  SequenceRequest faulty = request(10, 3);
  faulty.filter = std::make_shared<FaultyFilter>();
  const std::vector<SequenceRequest> requests = {request(9, 4), faulty};
  const Answer alone = run_alone(requests[0]);
  const auto together = run(options(), requests);
  EXPECT_EQ(together.at(1).tokens, alone.tokens);
  EXPECT_TRUE(together.at(2).tokens.empty());
  EXPECT_EQ(together.at(2).end, SequenceEnd::kNoneAllowed);
}

TEST_P(SchedulerTest, RunsModelsWithAnEncoder) {
  load(testing_support::small_encoder_decoder());
  const std::vector<SequenceRequest> requests = {request(9, 2), request(30, 3), request(9, 2)};
  std::vector<Answer> alone;
  for (const SequenceRequest& wanted : requests) alone.push_back(run_alone(wanted));
  const auto together = run(options(), requests);
  for (std::size_t i = 0; i < requests.size(); ++i) EXPECT_EQ(together.at(i + 1), alone[i]);
}

INSTANTIATE_TEST_SUITE_P(EveryIsa, SchedulerTest,
                         testing::ValuesIn(kernels::runnable_tables().begin(),
                                           kernels::runnable_tables().end()),
                         [](const auto& tested) { return std::string(tested.param->name); });

}  // namespace
}  // namespace trine::runtime
