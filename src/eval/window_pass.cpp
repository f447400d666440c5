#include "eval/window_pass.h"

namespace trine::eval {

using runtime::SequenceStep;

std::vector<WindowRows> place_rows(std::span<const Window> windows, bool has_encoder) {
  std::vector<WindowRows> placed;
  WindowRows next;
  for (const Window& window : windows) {
    next.count = window.end - (has_encoder ? window.first_scored : window.begin);
    next.num_inputs = has_encoder ? window.first_scored - window.begin : 0;
    // The row of a token predicts the one after it; the start token's predicts the first.
    next.first_scoring =
        next.first + (has_encoder ? 0 : window.first_scored - 1 - window.begin);
    placed.push_back(next);
    next.first += next.count;
    next.first_input += next.num_inputs;
  }
  return placed;
}

namespace {

/// What the decoder of an encoder–decoder model is given for one window.
std::vector<std::int32_t> shifted(const Window& window, std::int32_t start_token,
                                  std::span<const std::int32_t> token_ids) {
  const auto targets = token_ids.subspan(window.first_scored, window.end - window.first_scored);
  std::vector<std::int32_t> given = {start_token};
  given.insert(given.end(), targets.begin(), targets.end() - 1);
  return given;
}

}  // namespace

Result<WindowPass> run_windows(runtime::Engine& engine, std::span<const Window> windows,
                               std::span<const std::int32_t> token_ids,
                               const WindowRouting* forced) {
  const std::optional<EncoderSpec>& encoder = engine.spec().encoder;
  WindowPass pass{.rows = place_rows(windows, encoder.has_value())};
  std::vector<runtime::KvCache> caches(windows.size(), runtime::KvCache(engine.spec()));
  std::vector<std::vector<std::int32_t>> given;
  std::vector<SequenceStep> inputs, steps;
  for (std::size_t i = 0; i < windows.size(); ++i) {
    const Window& window = windows[i];
    const auto tokens = token_ids.subspan(window.begin, window.end - window.begin);
    if (!encoder) {
      steps.push_back({tokens, &caches[i]});
      continue;
    }
    given.push_back(shifted(window, encoder->decoder_start_token, token_ids));
    inputs.push_back({tokens.first(pass.rows[i].num_inputs), &caches[i]});
    steps.push_back({given.back(), &caches[i]});
  }
  if (encoder) {
    TRINE_RETURN_IF_ERROR(engine.encode(
        inputs, {&pass.routing.encoder, forced == nullptr ? nullptr : &forced->encoder}));
  }
  TRINE_ASSIGN_OR_RETURN(
      pass.hidden, engine.forward(steps, {&pass.routing.decoder,
                                          forced == nullptr ? nullptr : &forced->decoder}));
  return pass;
}

}  // namespace trine::eval
