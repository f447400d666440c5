// Tokens per second, beside what this machine's memory allows.
#pragma once

#include <cstddef>

#include "base/result.h"
#include "runtime/engine.h"

namespace trine::eval {

struct SpeedOptions {
  std::size_t prompt_tokens = 512;
  std::size_t decode_tokens = 64;
  int repeats = 5;
};

struct SpeedResult {
  double prefill_tokens_per_second = 0.0;  ///< median over repeats
  double decode_tokens_per_second = 0.0;   ///< median over repeats; one sequence, batch 1
  double active_bytes = 0.0;               ///< weights read per decoded token
  double read_bandwidth = 0.0;             ///< bytes per second, measured in the same run
  double largest_cache_bytes = 0.0;        ///< last-level cache; 0 when unknown

  /// Decode speed if reading the active weights from memory were the only work.
  [[nodiscard]] double decode_limit() const noexcept { return read_bandwidth / active_bytes; }
};

/// Times prefill of a prompt (by the encoder, if there is one, and one step of the decoder) and token-by-token decode after it.
[[nodiscard]] Result<SpeedResult> measure_speed(runtime::Engine& engine,
                                                const SpeedOptions& options);

}  // namespace trine::eval
