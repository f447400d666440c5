// Threads that share the short loops of one caller.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace trine::base {

/// A step of a small model is some twenty loops of 20 to 200 µs, and waking a sleeping thread takes
/// 50. So a worker looks for the next loop for a while before it sleeps, and a loop is over when its
/// work is done, not when every worker came: one that comes late finds the loop closed and nobody
/// waited for it. That is what OpenMP's barrier cannot do, and what counts on a busy machine.
///
/// One caller at a time; not from within a body.
class ThreadTeam {
 public:
  /// `threads` counts the caller. The others start with the first loop that wants them.
  explicit ThreadTeam(int threads);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  [[nodiscard]] int size() const noexcept { return size_; }

  /// body(index) for every index below `count` on at most `threads` threads, the caller among them;
  /// indices are given out in ascending order, each once. What a body throws is thrown here, the
  /// first of several; then some indices may be left out.
  template <class Body>
  void for_each(std::size_t count, int threads, const Body& body) {
    if (count <= 1 || threads <= 1 || size_ <= 1) {
      for (std::size_t index = 0; index < count; ++index) body(index);
      return;
    }
    run({[](const void* context, std::size_t index) {
           (*static_cast<const Body*>(context))(index);
         },
         &body, count},
        threads);
  }

  /// Of the calling thread within its team: 0 for a caller, below size() for workers.
  [[nodiscard]] static int worker() noexcept;

 private:
  struct Loop {
    void (*call)(const void* context, std::size_t index) = nullptr;
    const void* context = nullptr;
    std::size_t count = 0;
  };

  void run(const Loop& loop, int threads);
  void take_indices() noexcept;
  void work(int worker);
  [[nodiscard]] bool enter() noexcept;
  void leave() noexcept;
  [[nodiscard]] bool wait_for_news(std::uint32_t& seen) noexcept;

  int size_;
  std::chrono::nanoseconds patience_;  ///< how long a thread looks before it sleeps
  std::vector<std::thread> workers_{};

  // Written by the caller while nobody is inside and nobody can enter.
  Loop loop_{};
  std::exception_ptr failure_{};
  std::mutex failure_mutex_{};

  alignas(64) std::atomic<std::size_t> next_{0};
  alignas(64) std::atomic<std::uint32_t> gate_{0};  ///< workers inside · 2^16 + free places
  alignas(64) std::atomic<std::uint32_t> news_{0};  ///< counts loops, and the end
  std::atomic<bool> is_over_{false};
};

}  // namespace trine::base
