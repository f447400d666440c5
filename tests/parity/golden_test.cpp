// Every family against logits and expert choices of a reference implementation
// (tools/make_goldens.py), on every instruction set this machine has. A folder of tests/golden
// with a golden.safetensors is a test; nothing is listed here.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "kernels/kernel_table.h"
#include "parity/golden_model.h"
#include "runtime/engine.h"

namespace trine::parity {
namespace {

class GoldenModel : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    auto opened = checkpoint::Checkpoint::open(golden_folder(GetParam()));
    ASSERT_TRUE(opened) << opened.error().message;
    checkpoint_.emplace(std::move(*opened));
    auto golden = Golden::open(golden_folder(GetParam()));
    ASSERT_TRUE(golden) << golden.error().message;
    golden_ = std::move(*golden);
  }

  runtime::Engine engine(const kernels::KernelTable& table, int threads) {
    return runtime::Engine::load(checkpoint_->spec(), *checkpoint_, table, threads).value();
  }

  void expect_logits(std::span<const float> logits, std::size_t first_logit) {
    float largest = 0.0f;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      largest = std::max(largest, std::abs(logits[i] - golden_.logits[first_logit + i]));
    }
    EXPECT_LE(largest, kLogitTolerance);
  }

  /// Under dynamic and LongRoPE scaling a longer sequence turns earlier keys differently, so cached
  /// keys of a shorter one do not give the logits of a fresh prefill: only prefill is compared.
  [[nodiscard]] bool has_growing_frequencies() const {
    const std::size_t original = checkpoint_->spec().rope.original_positions;
    return original > 0 && golden_.length > original;
  }

  /// Runs `token_ids` after what the cache holds and compares from `first_logit` on.
  void expect_continuation(runtime::Engine& model, std::span<const std::int32_t> token_ids,
                           runtime::KvCache& cache, std::size_t first_logit) {
    const runtime::SequenceStep step{token_ids, &cache};
    const auto hidden = model.forward(std::span(&step, 1));
    ASSERT_TRUE(hidden) << hidden.error().message;
    expect_logits(model.logits(*hidden), first_logit);
  }

  std::optional<checkpoint::Checkpoint> checkpoint_{};
  Golden golden_{};
};

TEST_P(GoldenModel, PrefillGivesTheReferenceLogitsAndExperts) {
  for (const kernels::KernelTable* table : kernels::runnable_tables()) {
    SCOPED_TRACE(table->name);
    runtime::Engine model = engine(*table, 2);
    std::vector<runtime::KvCache> caches(golden_.num_sequences, runtime::KvCache(model.spec()));
    std::vector<runtime::SequenceStep> steps;  // all sequences in one batch
    for (std::size_t i = 0; i < golden_.num_sequences; ++i) {
      steps.push_back({golden_.sequence(i), &caches[i]});
    }
    runtime::RoutingTrace trace;
    const auto hidden = model.forward(steps, &trace);
    ASSERT_TRUE(hidden) << hidden.error().message;
    expect_logits(model.logits(*hidden), 0);

    ASSERT_EQ(trace.size(), golden_.num_moe_layers);
    std::vector<std::int32_t> chosen;
    for (runtime::Routing& routing : trace) {
      ASSERT_EQ(routing.experts_per_token, golden_.experts_per_token);
      const auto k = static_cast<std::ptrdiff_t>(golden_.experts_per_token);
      for (auto it = routing.experts.begin(); it != routing.experts.end(); it += k) {
        std::sort(it, it + k);
      }
      chosen.insert(chosen.end(), routing.experts.begin(), routing.experts.end());
    }
    EXPECT_EQ(chosen, golden_.router_choices);
  }
}

TEST_P(GoldenModel, TokenByTokenDecodeGivesTheReferenceLogits) {
  if (has_growing_frequencies()) {
    GTEST_SKIP() << "the frequencies of this model change as the sequence grows";
  }
  runtime::Engine model = engine(*kernels::runnable_tables().back(), 1);
  for (std::size_t index = 0; index < golden_.num_sequences; ++index) {
    runtime::KvCache cache(model.spec());
    for (std::size_t position = 0; position < golden_.length; ++position) {
      expect_continuation(model, golden_.sequence(index).subspan(position, 1), cache,
                          (index * golden_.length + position) * golden_.vocab_size);
    }
  }
}

TEST_P(GoldenModel, ContinuingACacheInPiecesGivesTheReferenceLogits) {
  if (has_growing_frequencies()) {
    GTEST_SKIP() << "the frequencies of this model change as the sequence grows";
  }
  runtime::Engine model = engine(*kernels::runnable_tables().back(), 2);
  runtime::KvCache cache(model.spec());
  const std::size_t half = golden_.length / 2;
  expect_continuation(model, golden_.sequence(0).first(half), cache, 0);
  expect_continuation(model, golden_.sequence(0).subspan(half), cache,
                      half * golden_.vocab_size);
}

INSTANTIATE_TEST_SUITE_P(EveryGolden, GoldenModel, testing::ValuesIn(golden_names()),
                         [](const auto& tested) { return tested.param; });

}  // namespace
}  // namespace trine::parity
