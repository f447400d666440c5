// A steady engine gives a token the same bits in any batch, for every form of weights.
#include <gtest/gtest.h>

#include <vector>

#include "runtime/engine.h"
#include "support/expect_error.h"
#include "support/memory_weights.h"

namespace trine::runtime {
namespace {

using testing_support::random_tokens;
using testing_support::random_weights;
using testing_support::small_spec;

class Steadiness : public testing::TestWithParam<const kernels::KernelTable*> {};

TEST_P(Steadiness, APromptInPiecesIsThePromptAtOnce) {
  const ModelSpec spec = small_spec();
  const auto weights = random_weights(spec, 3);
  Engine engine = Engine::load(spec, weights, *GetParam(), 2).value();
  engine.set_steady(true);
  const auto tokens = random_tokens(41, spec.vocab_size, 1);
  const auto run = [&](std::size_t piece, KvCache& cache) {
    std::vector<float> all;
    for (std::size_t first = 0; first < tokens.size(); first += piece) {
      const std::size_t count = std::min(piece, tokens.size() - first);
      const SequenceStep step{std::span(tokens).subspan(first, count), &cache};
      const auto hidden = engine.forward(std::span(&step, 1)).value();
      const auto logits = engine.logits(hidden);
      all.insert(all.end(), logits.begin(), logits.end());
    }
    return all;
  };
  KvCache whole_cache(spec);
  const auto whole = run(tokens.size(), whole_cache);
  for (const std::size_t piece : {1u, 3u, 17u}) {
    KvCache cache(spec);
    EXPECT_EQ(run(piece, cache), whole) << piece << " at a time";
    KvPool pool(spec, KvFormat::kFp16, 4);
    PageTable table(pool), other_table(pool);
    ASSERT_TRUE(table.reserve(tokens.size()) && other_table.reserve(tokens.size()));
    KvCache paged(spec, table), other(spec, other_table);
    EXPECT_EQ(run(piece, paged), run(tokens.size(), other)) << piece << " at a time, in pages";
  }
}

INSTANTIATE_TEST_SUITE_P(EveryIsa, Steadiness,
                         testing::ValuesIn(kernels::runnable_tables().begin(),
                                           kernels::runnable_tables().end()),
                         [](const auto& tested) { return std::string(tested.param->name); });

}  // namespace
}  // namespace trine::runtime
