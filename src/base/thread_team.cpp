#include "base/thread_team.h"

#include <immintrin.h>
#include <omp.h>

#include <algorithm>
#include <utility>

#include "base/result.h"

namespace trine::base {
namespace {

using Clock = std::chrono::steady_clock;

// The gate of a loop: free places for workers, and how many are inside. Without free places it is
// closed.
constexpr std::uint32_t kPlaces = 0xFFFF;
constexpr std::uint32_t kOneInside = kPlaces + 1;

thread_local int this_worker = 0;
thread_local bool is_in_loop = false;

/// Looks until `is_met` or for so long; @return whether it is met.
template <class Condition>
bool look_for(std::chrono::nanoseconds patience, const Condition& is_met) noexcept {
  constexpr int kLooks = 32;  // one reading of the clock takes as long as some looks
  if (is_met()) return true;
  if (patience <= std::chrono::nanoseconds::zero()) return false;
  const auto end = Clock::now() + patience;
  do {
    for (int look = 0; look < kLooks; ++look) {
      _mm_pause();
      if (is_met()) return true;
    }
  } while (Clock::now() < end);
  return false;
}

}  // namespace

ThreadTeam::ThreadTeam(int threads)
    : size_(threads),
      // Longer than the pauses within a step, shorter than what a waiting client would notice. More
      // threads than processors would only keep each other from working.
      patience_(std::chrono::microseconds(threads <= omp_get_num_procs() ? 50 : 0)) {
  check(threads >= 1 && threads <= static_cast<int>(kPlaces),
        "ThreadTeam: threads must be 1 to 65535");
}

ThreadTeam::~ThreadTeam() {
  is_over_ = true;
  news_.fetch_add(1);
  news_.notify_all();
  // In a forked child there are no such threads: glibc has marked them as ended, and the caller
  // alone does all the work of its loops.
  for (std::thread& worker : workers_) worker.join();
}

int ThreadTeam::worker() noexcept { return this_worker; }

void ThreadTeam::run(const Loop& loop, int threads) {
  check(!is_in_loop, "ThreadTeam::for_each: called from within a body");
  if (workers_.empty()) {
    for (int worker = 1; worker < size_; ++worker) {
      workers_.emplace_back([this, worker] { work(worker); });
    }
  }
  const std::size_t useful = std::min(
      {static_cast<std::size_t>(threads), static_cast<std::size_t>(size_), loop.count});
  loop_ = loop;
  failure_ = nullptr;
  next_.store(0, std::memory_order_relaxed);
  gate_.store(static_cast<std::uint32_t>(useful - 1), std::memory_order_release);
  news_.fetch_add(1);
  if (useful == static_cast<std::size_t>(size_)) {
    news_.notify_all();
  } else {
    for (std::size_t i = 1; i < useful; ++i) news_.notify_one();
  }
  take_indices();
  gate_.fetch_and(~kPlaces, std::memory_order_acq_rel);
  const auto is_empty = [&] { return gate_.load(std::memory_order_acquire) == 0; };
  while (!look_for(patience_, is_empty)) {
    const std::uint32_t inside = gate_.load(std::memory_order_acquire);
    if (inside != 0) gate_.wait(inside, std::memory_order_acquire);
  }
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void ThreadTeam::take_indices() noexcept {
  is_in_loop = true;
  for (;;) {
    const std::size_t index = next_.fetch_add(1, std::memory_order_relaxed);
    if (index >= loop_.count) break;
    try {
      loop_.call(loop_.context, index);
    } catch (...) {
      const std::lock_guard lock(failure_mutex_);
      if (!failure_) failure_ = std::current_exception();
      next_.store(loop_.count, std::memory_order_relaxed);
    }
  }
  is_in_loop = false;
}

/// Into the loop that runs, if there is a place.
bool ThreadTeam::enter() noexcept {
  std::uint32_t gate = gate_.load(std::memory_order_acquire);
  while ((gate & kPlaces) != 0) {
    if (gate_.compare_exchange_weak(gate, gate - 1 + kOneInside, std::memory_order_acq_rel,
                                    std::memory_order_acquire)) {
      return true;
    }
  }
  return false;
}

void ThreadTeam::leave() noexcept {
  const std::uint32_t gate =
      gate_.fetch_sub(kOneInside, std::memory_order_acq_rel) - kOneInside;
  if (gate == 0) gate_.notify_one();  // the caller waits for the last one
}

/// Waits until there is a loop that was not seen yet; false at the end.
bool ThreadTeam::wait_for_news(std::uint32_t& seen) noexcept {
  const auto has_news = [&] { return news_.load(std::memory_order_acquire) != seen; };
  while (!look_for(patience_, has_news)) news_.wait(seen, std::memory_order_acquire);
  seen = news_.load(std::memory_order_acquire);
  return !is_over_;
}

void ThreadTeam::work(int worker) {
  this_worker = worker;
  std::uint32_t seen = 0;
  while (wait_for_news(seen)) {
    if (!enter()) continue;
    take_indices();
    leave();
  }
}

}  // namespace trine::base
