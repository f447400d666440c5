// Texts continued by the most likely token, several together, each until it says a stop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "input/tokenizer.h"
#include "runtime/engine.h"

namespace trine::eval {

struct GreedyOptions {
  std::size_t most_tokens = 256;
  std::span<const std::string_view> stops{};
  std::span<const std::int32_t> end_tokens{};
};

/// What the model writes after each prompt, up to the first stop (without it), end token or
/// most_tokens. Prompts have at least one token. With a steady
/// engine the texts do not depend on which are run together.
[[nodiscard]] Result<std::vector<std::string>> continue_greedily(
    runtime::Engine& engine, const input::Tokenizer& tokenizer,
    std::span<const std::vector<std::int32_t>> prompts, const GreedyOptions& options);

/// `text` up to its first stop of each kind.
[[nodiscard]] std::string_view cut_at_stops(std::string_view text,
                                            std::span<const std::string_view> stops);

}  // namespace trine::eval
