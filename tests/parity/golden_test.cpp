// Every family against logits and expert choices of a reference implementation
// (tools/make_goldens.py), on every instruction set this machine has. A folder of tests/golden
// with a golden.safetensors is a test; nothing is listed here.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "kernels/kernel_table.h"
#include "models/family.h"
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

  static void expect_logits(std::span<const float> logits, std::span<const float> reference) {
    ASSERT_LE(logits.size(), reference.size());
    float largest = 0.0f;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      largest = std::max(largest, std::abs(logits[i] - reference[i]));
    }
    EXPECT_LE(largest, kLogitTolerance);
  }

  /// Under dynamic and LongRoPE scaling a sequence beyond the original length turns earlier keys
  /// differently: its prefill gives other logits everywhere, and keys cached before do not fit it.
  /// Decode is compared up to that length, with the logits of prefills that long.
  [[nodiscard]] std::size_t decodable_length() const {
    const std::size_t original = checkpoint_->spec().rope.original_positions;
    return original > 0 ? std::min(original, golden_.length) : golden_.length;
  }
  [[nodiscard]] std::span<const float> decode_reference() const {
    return decodable_length() < golden_.length ? golden_.growing_logits : golden_.logits;
  }

  /// Runs `count` tokens of a sequence from `position` on after what the cache holds.
  void expect_continuation(runtime::Engine& model, std::size_t sequence, std::size_t position,
                           std::size_t count, runtime::KvCache& cache) {
    const auto token_ids = golden_.sequence(sequence).subspan(position, count);
    const runtime::SequenceStep step{token_ids, &cache};
    const auto hidden = model.forward(std::span(&step, 1));
    ASSERT_TRUE(hidden) << hidden.error().message;
    const std::size_t row = sequence * golden_.length + position;
    expect_logits(model.logits(*hidden), decode_reference().subspan(row * golden_.vocab_size));
  }

  std::optional<checkpoint::Checkpoint> checkpoint_{};
  Golden golden_{};
};

TEST_P(GoldenModel, PrefillGivesTheReferenceLogitsAndExperts) {
  for (const kernels::KernelTable* table : kernels::runnable_tables()) {
    SCOPED_TRACE(table->name);
    runtime::Engine model = engine(*table, 2);
    runtime::RoutingTrace encoder_trace, trace;
    auto caches = start_sequences(model, golden_, &encoder_trace).value();
    EXPECT_EQ(sorted_choices(std::move(encoder_trace)), golden_.encoder_router_choices);
    std::vector<runtime::SequenceStep> steps;  // all sequences in one batch
    for (std::size_t i = 0; i < golden_.num_sequences; ++i) {
      steps.push_back({golden_.sequence(i), &caches[i]});
    }
    const auto hidden = model.forward(steps, {&trace});
    ASSERT_TRUE(hidden) << hidden.error().message;
    expect_logits(model.logits(*hidden), golden_.logits);

    ASSERT_EQ(trace.size(), golden_.num_moe_layers);
    for (const runtime::Routing& routing : trace) {
      ASSERT_EQ(routing.experts_per_token, golden_.experts_per_token);
    }
    EXPECT_EQ(sorted_choices(std::move(trace)), golden_.router_choices);
  }
}

TEST_P(GoldenModel, TokenByTokenDecodeGivesTheReferenceLogits) {
  runtime::Engine model = engine(*kernels::runnable_tables().back(), 1);
  auto caches = start_sequences(model, golden_).value();
  for (std::size_t index = 0; index < golden_.num_sequences; ++index) {
    for (std::size_t position = 0; position < decodable_length(); ++position) {
      expect_continuation(model, index, position, 1, caches[index]);
    }
  }
}

TEST_P(GoldenModel, ContinuingACacheInPiecesGivesTheReferenceLogits) {
  runtime::Engine model = engine(*kernels::runnable_tables().back(), 2);
  auto caches = start_sequences(model, golden_).value();
  const std::size_t half = decodable_length() / 2;
  expect_continuation(model, 0, 0, half, caches[0]);
  expect_continuation(model, 0, half, decodable_length() - half, caches[0]);
}

TEST(Goldens, ThereIsOneOfEveryFamily) {
  std::set<std::string> proven, known;
  for (const std::string& name : golden_names()) {
    proven.insert(checkpoint::Checkpoint::open(golden_folder(name)).value().spec().family);
  }
  for (const models::Family& family : models::families()) {
    known.insert(std::string(family.model_type));
  }
  EXPECT_EQ(proven, known);
}

INSTANTIATE_TEST_SUITE_P(EveryGolden, GoldenModel, testing::ValuesIn(golden_names()),
                         [](const auto& tested) { return tested.param; });

}  // namespace
}  // namespace trine::parity
