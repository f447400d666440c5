#include "kernels/peak.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "kernels/kernel_table.h"

namespace trine::kernels {
namespace {

/// Shortest of several calls, so that a busy machine does not matter.
template <class Work>
double shortest_seconds(const Work& work) {
  double shortest = 1e9;
  for (int call = 0; call < 20; ++call) {
    const auto start = std::chrono::steady_clock::now();
    work();
    shortest = std::min(
        shortest,
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return shortest;
}

class PeakOfTable : public testing::TestWithParam<const KernelTable*> {};

/// A loop that a compiler could fold, or one that ends early, would not take as many clocks as it
/// has instructions. At most 2 of them run in a clock on any processor with 512-bit registers, 3
/// with 256; a dependent add is one clock.
TEST_P(PeakOfTable, TakesAsLongAsItsInstructionsNeed) {
  constexpr std::uint64_t kSteps = 50'000;
  const double clock = shortest_seconds([] { run_dependent_adds(16 * kSteps); }) / 16.0;
  const PeakLoops loops = peak_loops_of(GetParam()->name);
  for (const PeakLoop* loop : {&loops.integer_dot, &loops.multiply_add, &loops.bf16_dot}) {
    if (!loop->exists()) continue;
    SCOPED_TRACE(loop->instruction);
    const double seconds = shortest_seconds([&] { loop->run(kSteps); });
    EXPECT_GT(seconds, clock * 12.0 / 3.5);
    EXPECT_GT(loop->operations_per_step, 0.0);
  }
}

TEST_P(PeakOfTable, HasIntegerDotUnlessScalar) {
  const PeakLoops loops = peak_loops_of(GetParam()->name);
  EXPECT_EQ(loops.integer_dot.exists(), GetParam()->name != "scalar");
  EXPECT_EQ(loops.multiply_add.exists(), GetParam()->name != "scalar");
}

INSTANTIATE_TEST_SUITE_P(Tables, PeakOfTable, testing::ValuesIn(runnable_tables()),
                         [](const auto& tested) { return std::string(tested.param->name); });

}  // namespace
}  // namespace trine::kernels
