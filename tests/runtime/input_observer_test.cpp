// An observer sees the inputs of every matrix once, and changes nothing.
#include "runtime/input_observer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/statistics.h"
#include "runtime/engine.h"
#include "support/memory_weights.h"

namespace trine::runtime {
namespace {

using testing_support::random_tokens;
using testing_support::random_weights;
using testing_support::small_spec;

/// Notes how many inputs each matrix was applied to, and which matrices came together.
class Notes final : public InputObserver {
 public:
  void observe(std::span<const LinearCall> calls, const float* inputs,
               std::size_t num_tokens) override {
    ASSERT_NE(inputs, nullptr);
    std::set<std::string> together;
    for (const LinearCall& call : calls) {
      EXPECT_EQ(call.linear->in_features(), calls.front().linear->in_features());
      tokens[call.linear->name()] += num_tokens;
      together.insert(call.linear->name());
    }
    calls_seen.insert(together);
  }

  std::map<std::string, std::size_t> tokens{};
  std::set<std::set<std::string>> calls_seen{};
};

class InputObserverTest : public testing::Test {
 protected:
  static std::vector<float> run(Engine& engine, std::span<const std::int32_t> token_ids,
                                RoutingTrace* trace = nullptr) {
    KvCache cache(engine.spec());
    const SequenceStep step{token_ids, &cache};
    return engine.forward(std::span(&step, 1), {trace}).value();
  }

  ModelSpec spec_ = small_spec();
  testing_support::MemoryWeights weights_ = random_weights(spec_, 1);
  Engine engine_ =
      Engine::load(spec_, weights_, *kernels::runnable_tables().front(), 2).value();
  std::vector<std::int32_t> token_ids_ = random_tokens(9, spec_.vocab_size, 2);
};

TEST_F(InputObserverTest, SeesEachInputOfEachMatrixOnce) {
  Notes notes;
  engine_.set_input_observer(&notes);
  RoutingTrace trace;
  run(engine_, token_ids_, &trace);
  for (const InputSite& site : input_sites(spec_)) {
    std::size_t expected = token_ids_.size();
    if (site.expert) {
      const auto& chosen = trace[site.layer].experts;
      expected = static_cast<std::size_t>(
          std::count(chosen.begin(), chosen.end(), static_cast<std::int32_t>(*site.expert)));
    }
    for (const std::string& matrix : site.matrices) {
      EXPECT_EQ(notes.tokens[matrix], expected) << matrix;
    }
    // Matrices of one site come in one call, so their inputs are counted once.
    const std::set<std::string> together(site.matrices.begin(), site.matrices.end());
    if (expected > 0) {
      EXPECT_TRUE(notes.calls_seen.contains(together)) << site.name;
    }
  }
}

TEST_F(InputObserverTest, ChangesNothingAndCanBeTakenAway) {
  const auto alone = run(engine_, token_ids_);
  Notes notes;
  engine_.set_input_observer(&notes);
  EXPECT_EQ(run(engine_, token_ids_), alone);
  const auto seen = notes.tokens;
  engine_.set_input_observer(nullptr);
  EXPECT_EQ(run(engine_, token_ids_), alone);
  EXPECT_EQ(notes.tokens, seen);
}

}  // namespace
}  // namespace trine::runtime
