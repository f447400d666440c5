// How a long text is cut for perplexity.
#pragma once

#include <cstddef>
#include <vector>

#include "base/result.h"

namespace trine::eval {

/// Tokens run through a model together; several windows fill one batch.
inline constexpr std::size_t kBatchTokens = 1024;

/// Tokens [begin, end) are run from an empty cache; those from first_scored on are predicted. An
/// encoder–decoder model reads the ones before with its encoder.
struct Window {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::size_t first_scored = 0;

  [[nodiscard]] std::size_t num_scored() const noexcept { return end - first_scored; }
};

/// stride == window: ⌊n/window⌋ disjoint windows, positions 2…window of each are scored, what is
/// left at the end is not used. stride < window: windows start every `stride` tokens and each
/// scores only tokens no earlier window scored; the last one may be short.
/// kInvalidArgument when the text is shorter than one window or the sizes make no sense.
[[nodiscard]] Result<std::vector<Window>> cut_windows(std::size_t num_tokens,
                                                      std::size_t window, std::size_t stride);

/// For encoder–decoder models: disjoint windows, of which all tokens from the middle on are
/// predicted. kInvalidArgument as above, and for a stride other than the window.
[[nodiscard]] Result<std::vector<Window>> cut_halves(std::size_t num_tokens, std::size_t window,
                                                     std::size_t stride);

}  // namespace trine::eval
