// Logits of every position of one sequence.
#pragma once

#include <cstdint>
#include <span>

#include <trine/engine.h>
#include "base/result.h"
#include "runtime/engine.h"

namespace trine::api {

/// As TextModel::logits() says.
[[nodiscard]] Result<LogitsReport> sequence_logits(
    runtime::Engine& engine, std::span<const std::int32_t> token_ids,
    std::span<const std::int32_t> encoder_token_ids);

}  // namespace trine::api
