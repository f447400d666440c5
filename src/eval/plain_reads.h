// Plain reads of memory among pieces of work, and the share of them that the work reaches.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "eval/large_buffer.h"
#include "eval/timing.h"
#include "kernels/kernel_table.h"

namespace trine::eval {

/// Seconds of a plain read of `bytes` on all threads of `team`, the ones that do the work beside it
/// too: OpenMP's would look for more to do for a while and keep the team from its cores (products of
/// two threads at 62 % of a read instead of 97).
/// @param team a runtime::Compute or runtime::Engine. @param folded kept by the caller, so that no
///        read is optimised away.
template <class Team>
[[nodiscard]] double read_seconds_of(Team& team, std::span<const std::uint8_t> bytes,
                                     std::vector<std::uint64_t>& folded) {
  constexpr std::size_t kPiece = std::size_t{2}
                                 << 20;  // taken at once: a huge page, some 60 µs
  const std::size_t pieces = (bytes.size() + kPiece - 1) / kPiece;
  folded.assign(pieces, 0);
  return seconds_of([&] {
    team.for_each(pieces, bytes.size(), [&](std::size_t piece) {
      const std::size_t begin = piece * kPiece;
      const std::size_t length = std::min(kPiece, bytes.size() - begin);
      folded[piece] = team.kernels().read_all(bytes.data() + begin, length);
    });
  });
}

/// A buffer that is read stretch by stretch, in turn. Where other guests share the memory its speed
/// doubles and halves from one second to the next: only a read of a few milliseconds right before
/// and after a piece of work says what that work could have had.
class PlainReads {
 public:
  /// kIo when the memory is not to be had. @param quick a small buffer: figures are rough.
  [[nodiscard]] static Result<PlainReads> allocate(bool quick);

  /// Bytes per second of one read of the next stretch. @param team as for read_seconds_of().
  template <class Team>
  [[nodiscard]] double read(Team& team) {
    const std::span<const std::uint8_t> stretch = next_stretch();
    return static_cast<double>(stretch.size()) / read_seconds_of(team, stretch, folded_);
  }

 private:
  PlainReads(LargeBuffer buffer, std::size_t stretch_bytes)
      : buffer_(std::move(buffer)), stretch_bytes_(stretch_bytes) {}

  [[nodiscard]] std::span<const std::uint8_t> next_stretch() noexcept;

  LargeBuffer buffer_;
  std::size_t stretch_bytes_;
  std::size_t next_ = 0;
  std::vector<std::uint64_t> folded_{};  ///< kept, so that no read is optimised away
};

/// How work compares with the reads around each of its pieces.
struct ReadShare {
  double read_bandwidth = 0.0;  ///< bytes per second, median of the reads
  double median = 0.0;  ///< of the pieces' shares in the mean of the two reads around them
  double first_quartile = 0.0;
  double third_quartile = 0.0;
};

/// Share of each piece of work in the mean of the reads right before and after it.
/// @param rates bytes per second of each piece. @param reads one more than rates.
[[nodiscard]] std::vector<double> shares_of_reads(std::span<const double> rates,
                                                  std::span<const double> reads);

/// @param shares,reads not empty; of any number of such series.
[[nodiscard]] ReadShare summary(const std::vector<double>& shares,
                                const std::vector<double>& reads);

}  // namespace trine::eval
