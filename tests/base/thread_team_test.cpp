// Every index once, whatever the number of threads; nobody is waited for who does not come.
#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "base/result.h"
#include "base/thread_team.h"

namespace trine::base {
namespace {

TEST(ThreadTeam, GivesOutEveryIndexOnce) {
  for (const int size : {1, 2, 5}) {
    ThreadTeam team(size);
    for (const std::size_t count : {0u, 1u, 2u, 3u, 1000u}) {
      for (int threads = 1; threads <= 6; ++threads) {
        std::vector<int> calls(
            count);  // not atomic: the sanitizer sees two writers of one index
        team.for_each(count, threads, [&](std::size_t index) { ++calls[index]; });
        EXPECT_EQ(calls, std::vector<int>(count, 1)) << size << " " << threads;
      }
    }
  }
}

TEST(ThreadTeam, ManyShortLoopsSeeWhatTheCallerWroteBefore) {
  ThreadTeam team(3);
  std::vector<std::size_t> values(7);
  for (std::size_t round = 1; round <= 20'000; ++round) {
    const std::size_t base = round;
    team.for_each(values.size(), 3, [&](std::size_t index) { values[index] += base + index; });
  }
  for (std::size_t index = 0; index < values.size(); ++index) {
    EXPECT_EQ(values[index], 20'000u * 20'001u / 2 + 20'000u * index);
  }
}

TEST(ThreadTeam, WorkersHaveNumbersBelowTheSize) {
  ThreadTeam team(4);
  EXPECT_EQ(ThreadTeam::worker(), 0);
  std::vector<std::atomic<int>> busy(4);
  std::atomic<bool> is_shared = false;
  for (int round = 0; round < 100; ++round) {
    team.for_each(64, 4, [&](std::size_t) {
      const auto mine = static_cast<std::size_t>(ThreadTeam::worker());
      ASSERT_LT(mine, busy.size());
      if (busy[mine].fetch_add(1) != 0) is_shared = true;  // scratch memory goes by this number
      busy[mine].fetch_sub(1);
    });
  }
  EXPECT_FALSE(is_shared);
}

TEST(ThreadTeam, WorksOnSeveralThreadsAtOnce) {
  ThreadTeam team(2);
  std::atomic<int> here = 0;
  // Each of the two waits for the other: with one thread this would not end before the deadline.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  team.for_each(2, 2, [&](std::size_t) {
    ++here;
    while (here < 2 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  });
  EXPECT_EQ(here, 2);
}

TEST(ThreadTeam, IsOverWhenTheLastBodyIs) {
  ThreadTeam team(2);
  std::atomic<int> begun = 0, ended = 0;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  team.for_each(2, 2, [&](std::size_t) {
    ++begun;
    while (begun < 2 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    // The caller is through with its own long before.
    if (ThreadTeam::worker() != 0) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ++ended;
  });
  EXPECT_EQ(ended, 2);
}

TEST(ThreadTeam, AtMostSoManyThreads) {
  ThreadTeam team(4);
  for (int round = 0; round < 5; ++round) {
    std::vector<std::atomic<bool>> was_here(4);
    team.for_each(20, 2, [&](std::size_t) {  // long enough for everybody to come
      was_here[static_cast<std::size_t>(ThreadTeam::worker())] = true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    });
    int threads = 0;
    for (const auto& worker : was_here) threads += worker ? 1 : 0;
    EXPECT_LE(threads, 2);
  }
}

TEST(ThreadTeam, ThrowsWhatABodyThrowsAndGoesOn) {
  ThreadTeam team(3);
  for (int round = 0; round < 100; ++round) {
    EXPECT_THROW(team.for_each(100, 3,
                               [](std::size_t index) {
                                 if (index == 50) throw std::runtime_error("the fiftieth");
                               }),
                 std::runtime_error);
    std::atomic<int> calls = 0;
    team.for_each(100, 3, [&](std::size_t) { ++calls; });
    EXPECT_EQ(calls, 100);
  }
}

TEST(ThreadTeam, SleepsAndWakesAgain) {
  ThreadTeam team(2);
  for (int round = 0; round < 5; ++round) {
    std::atomic<int> calls = 0;
    team.for_each(10, 2, [&](std::size_t) { ++calls; });
    EXPECT_EQ(calls, 10);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // far beyond its patience
  }
}

TEST(ThreadTeam, WorksAndEndsInAForkedChild) {
  auto team = std::make_unique<ThreadTeam>(3);
  std::atomic<int> calls = 0;
  team->for_each(10, 3, [&](std::size_t) { ++calls; });
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(60);  // ends a child that waits for threads it does not have
    team->for_each(10, 3, [&](std::size_t) { ++calls; });
    team.reset();
    _exit(calls == 20 ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST(ThreadTeam, ALoopWithinALoopIsABug) {
  ThreadTeam team(2), other(2);
  const auto nested = [&](std::size_t) { other.for_each(4, 2, [](std::size_t) {}); };
  EXPECT_THROW(team.for_each(4, 2, nested), InvariantError);
  EXPECT_THROW(ThreadTeam(0), InvariantError);
}

}  // namespace
}  // namespace trine::base
