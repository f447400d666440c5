// The processor as the runtime sees it: a table of kernels, a number of threads, scratch memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/huge_pages.h"
#include "base/thread_team.h"
#include "kernels/kernel_table.h"
#include "runtime/input_observer.h"

namespace trine::runtime {

/// Scratch memory is kept between calls so that steps of a generation allocate nothing large.
/// Used by one caller at a time.
class Compute {
 public:
  Compute(const kernels::KernelTable& table, int threads)
      : table_(&table),
        team_(std::make_unique<base::ThreadTeam>(threads)),
        scratch_(static_cast<std::size_t>(threads)) {}

  [[nodiscard]] const kernels::KernelTable& kernels() const noexcept { return *table_; }
  [[nodiscard]] int threads() const noexcept { return team_->size(); }

  /// Null unless somebody looks at the inputs of matrices.
  [[nodiscard]] InputObserver* input_observer() const noexcept { return input_observer_; }
  void set_input_observer(InputObserver* observer) noexcept { input_observer_ = observer; }

  /// Whether a token's results must be the same to the last bit whatever else is computed with it.
  /// Costs up to a third of the speed of long prompts with dense weights: OpenBLAS, whose sums
  /// depend on the number of rows, is not used.
  [[nodiscard]] bool is_steady() const noexcept { return is_steady_; }
  void set_steady(bool steady) noexcept { is_steady_ = steady; }

  /// How the inputs of packed weights are kept.
  [[nodiscard]] kernels::InputForm input_form() const noexcept { return input_form_; }
  void set_input_form(kernels::InputForm form) noexcept { input_form_ = form; }

  /// Threads worth waking for this many multiplications: from some 5 µs of work for each on. A worker
  /// that still looks for work is there within 1 µs, and nobody waits for one that sleeps. With
  /// 2^20 instead a lone request to tiny-mixtral had 2600 tokens/s instead of 3450 on two cores.
  [[nodiscard]] int threads_for(std::size_t multiplications) const noexcept {
    constexpr std::size_t kWorthOneThread = std::size_t{1} << 18;
    const std::size_t worth = 1 + multiplications / kWorthOneThread;
    return static_cast<int>(std::min(worth, static_cast<std::size_t>(threads())));
  }

  /// body(index) for every index below `count`, on as many threads as that many multiplications are
  /// worth. See ThreadTeam::for_each.
  template <class Body>
  void for_each(std::size_t count, std::size_t multiplications, const Body& body) {
    team_->for_each(count, threads_for(multiplications), body);
  }

  /// At least `count` floats that belong to the calling thread of a loop until its next call.
  [[nodiscard]] float* thread_scratch(std::size_t count) {
    auto& mine = scratch_[static_cast<std::size_t>(base::ThreadTeam::worker())];
    if (mine.size() < count) mine.resize(count);
    return mine.data();
  }

  /// `count` floats in whatever state, for what one feed-forward keeps between its two steps. Up to 64 MB stay for
  /// the next one: pages that the system clears first were 4 % of a prompt of 512 tokens.
  [[nodiscard]] float* between_steps(std::size_t count) {
    constexpr std::size_t kMostKept = std::size_t{16} << 20;
    if (between_steps_.size() > kMostKept && count <= kMostKept) between_steps_ = {};
    if (between_steps_.size() < count) base::resize_in_huge_pages(between_steps_, count);
    return between_steps_.data();
  }

  /// At least `bytes` for the prepared inputs of one multiply(), whole lines; slots are separate buffers.
  [[nodiscard]] std::uint8_t* prepared_inputs(std::size_t slot, std::size_t bytes) {
    if (prepared_.size() <= slot) prepared_.resize(slot + 1);
    const std::size_t lines = bytes / sizeof(Line) + 1;
    if (prepared_[slot].size() < lines) base::resize_in_huge_pages(prepared_[slot], lines);
    return prepared_[slot].front().bytes;
  }

 private:
  struct alignas(kLineBytes) Line {
    std::uint8_t bytes[kLineBytes];
  };

  const kernels::KernelTable* table_;
  std::unique_ptr<base::ThreadTeam> team_;
  bool is_steady_ = false;
  kernels::InputForm input_form_ = kernels::InputForm::kTwoDigits;
  InputObserver* input_observer_ = nullptr;
  std::vector<std::vector<float>> scratch_;
  std::vector<float> between_steps_{};
  std::vector<std::vector<Line>> prepared_{};
};

}  // namespace trine::runtime
