// Windows of a text through a model, whatever its architecture.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "eval/windows.h"
#include "runtime/engine.h"

namespace trine::eval {

/// Where one window's tokens are among the rows of a pass.
struct WindowRows {
  std::size_t first = 0;          ///< in hidden states and trace
  std::size_t count = 0;          ///< tokens the decoder was given
  std::size_t first_scoring = 0;  ///< row that predicts the token at Window::first_scored
  std::size_t first_input = 0;    ///< in the encoder's trace
  std::size_t num_inputs = 0;     ///< tokens the encoder was given
};

/// Experts chosen for a batch of windows.
struct WindowRouting {
  runtime::RoutingTrace decoder{};
  runtime::RoutingTrace encoder{};  ///< empty without an encoder
};

/// One model's view of a batch of windows.
struct WindowPass {
  std::vector<float> hidden{};  ///< [rows, hidden_size]
  WindowRouting routing{};
  std::vector<WindowRows> rows{};  ///< by window
};

/// Where the windows' tokens are in a pass of exactly these.
[[nodiscard]] std::vector<WindowRows> place_rows(std::span<const Window> windows,
                                                 bool has_encoder);

/// Runs all windows together, each from an empty cache. A decoder is given the window and predicts
/// each next token of it. Where there is an encoder, that is given the tokens before first_scored,
/// and the decoder its start token and then those it has to predict, all but the last.
/// @param forced null, or the experts to take for these windows whatever the routers say.
[[nodiscard]] Result<WindowPass> run_windows(runtime::Engine& engine,
                                             std::span<const Window> windows,
                                             std::span<const std::int32_t> token_ids,
                                             const WindowRouting* forced = nullptr);

}  // namespace trine::eval
