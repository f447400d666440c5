// Tokens per second, beside what this machine's memory allows.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.h"
#include "eval/plain_reads.h"
#include "runtime/engine.h"

namespace trine::eval {

struct SpeedOptions {
  std::size_t prompt_tokens = 512;
  std::size_t decode_tokens = 64;
  int repeats = 5;
};

struct SpeedResult {
  double prefill_tokens_per_second = 0.0;  ///< median over repeats
  double first_token_seconds = 0.0;        ///< from the prompt to its logits; median
  double decode_tokens_per_second = 0.0;   ///< median over repeats; one sequence, batch 1
  double active_bytes = 0.0;               ///< weights read per decoded token
  ReadShare reads{};  ///< decode beside plain reads before and after every few tokens
  double largest_cache_bytes = 0.0;  ///< last-level cache; 0 when unknown
  std::uint64_t peak_rss_bytes =
      0;  ///< of a prompt and a text, before memory for reads is there

  /// Decode speed if reading the active weights from memory were the only work.
  [[nodiscard]] double decode_limit() const noexcept {
    return reads.read_bandwidth / active_bytes;
  }
  /// Whether the weights of a token may stay in the cache; then memory is no limit.
  [[nodiscard]] bool fits_in_cache() const noexcept {
    return active_bytes < largest_cache_bytes;
  }
};

/// Times prefill of a prompt (by the encoder, if there is one, and one step of the decoder) and token-by-token decode after it.
[[nodiscard]] Result<SpeedResult> measure_speed(runtime::Engine& engine,
                                                const SpeedOptions& options);

}  // namespace trine::eval
