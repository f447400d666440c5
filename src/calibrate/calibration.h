// Runs text through a model, window by window, and gathers statistics.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "calibrate/moments.h"
#include "core/statistics.h"
#include "runtime/engine.h"

namespace trine::calibrate {

/// Where token ids come from, piece by piece, so that text of any length fits.
class TokenSource {
 public:
  virtual ~TokenSource() = default;
  /// The next token ids; empty when there are no more.
  [[nodiscard]] virtual Result<std::vector<std::int32_t>> next() = 0;
  /// How many there are in all, as far as that is known by now: for progress only.
  [[nodiscard]] virtual std::uint64_t expected_tokens() const = 0;
};

struct CalibrationOptions {
  std::size_t window = 2048;     ///< tokens that see each other
  std::uint64_t max_tokens = 0;  ///< stop before the window that would exceed it; 0: never
  MomentKind moments = MomentKind::kDiagonal;
  std::uint64_t memory_bytes = std::uint64_t{4} << 30;  ///< most the sums may take
};

struct Calibration {
  ModelStatistics statistics{};
  std::uint64_t windows = 0;
};

/// Disjoint windows, as perplexity cuts them: what is left at the end is not used. While it
/// runs the engine's observer is ours; afterwards there is none. Memory does not grow with the text.
/// kInvalidArgument: no whole window (in the text or below max_tokens), or the sums would take
/// more than memory_bytes. Else the errors of `source` and of StatisticsCollector::take.
/// @param progress counts tokens; their total is an estimate until the last text is read.
[[nodiscard]] Result<Calibration> collect_statistics(runtime::Engine& engine,
                                                     TokenSource& source,
                                                     const CalibrationOptions& options,
                                                     const base::ProgressSink& progress);

}  // namespace trine::calibrate
