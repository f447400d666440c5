// Pieces of work handed out to threads: each once, neighbours together, small ones at the end.
#include "runtime/index_runs.h"

#include <gtest/gtest.h>

#include <limits>
#include <thread>
#include <vector>

namespace trine::runtime {
namespace {

constexpr std::size_t kAny = std::numeric_limits<std::size_t>::max();

TEST(IndexRuns, OneTakerGetsThemInOrderInShrinkingRuns) {
  IndexRuns runs(64, 2, kAny);
  std::size_t next = 0, last_length = kAny;
  for (auto run = runs.take(); run.begin < run.end; run = runs.take()) {
    EXPECT_EQ(run.begin, next);
    EXPECT_LE(run.end - run.begin, last_length);
    last_length = run.end - run.begin;
    next = run.end;
  }
  EXPECT_EQ(next, 64u);
  EXPECT_EQ(last_length, 1u);
  const auto none = runs.take();
  EXPECT_EQ(none.begin, none.end);
}

TEST(IndexRuns, RunsAreNoLongerThanAsked) {
  IndexRuns runs(10, 1, 3);
  EXPECT_EQ(runs.take().end, 3u);
}

TEST(IndexRuns, NothingToTake) {
  IndexRuns runs(0, 4, kAny);
  const auto run = runs.take();
  EXPECT_EQ(run.begin, run.end);
}

TEST(IndexRuns, ThreadsTogetherGetEachOnce) {
  constexpr std::size_t kCount = 100000;
  IndexRuns runs(kCount, 100, kAny);
  std::vector<int> taken(kCount, 0);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (auto run = runs.take(); run.begin < run.end; run = runs.take()) {
        for (std::size_t index = run.begin; index < run.end; ++index) ++taken[index];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken, std::vector<int>(kCount, 1));
}

}  // namespace
}  // namespace trine::runtime
