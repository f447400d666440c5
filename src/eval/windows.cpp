#include "eval/windows.h"

#include <algorithm>

namespace trine::eval {

Result<std::vector<Window>> cut_windows(std::size_t num_tokens, std::size_t window,
                                        std::size_t stride) {
  if (window < 2) {
    return fail(ErrorCode::kInvalidArgument, "window is {}, expected at least 2 tokens",
                window);
  }
  if (stride < 1 || stride > window) {
    return fail(ErrorCode::kInvalidArgument, "stride is {}, expected 1 to {} (the window)",
                stride, window);
  }
  if (num_tokens < window) {
    return fail(ErrorCode::kInvalidArgument,
                "the text has {} tokens, expected at least one window of {}", num_tokens,
                window);
  }
  std::vector<Window> windows;
  if (stride == window) {
    for (std::size_t begin = 0; begin + window <= num_tokens; begin += window) {
      windows.push_back({begin, begin + window, begin + 1});
    }
    return windows;
  }
  std::size_t scored_to = 1;  // the first token has no context
  for (std::size_t begin = 0; scored_to < num_tokens; begin += stride) {
    const std::size_t end = std::min(begin + window, num_tokens);
    windows.push_back({begin, end, std::max(scored_to, begin + 1)});
    scored_to = end;
  }
  return windows;
}

Result<std::vector<Window>> cut_halves(std::size_t num_tokens, std::size_t window,
                                       std::size_t stride) {
  if (stride != window) {
    return fail(ErrorCode::kInvalidArgument,
                "stride is {}, expected {} (the window): an encoder–decoder model is scored in "
                "disjoint windows",
                stride, window);
  }
  TRINE_ASSIGN_OR_RETURN(std::vector<Window> windows, cut_windows(num_tokens, window, stride));
  for (Window& each : windows) each.first_scored = each.begin + window / 2;
  return windows;
}

}  // namespace trine::eval
