// What one sequence brings to a forward call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/kv_cache.h"

namespace trine::runtime {

/// New tokens of one sequence: a whole prompt (prefill) or one token (decode); for an encoder, its
/// whole input.
struct SequenceStep {
  std::span<const std::int32_t> token_ids{};
  KvCache* cache = nullptr;  ///< receives the tokens' keys and values
  /// Tokens of the whole prompt when this is a part of it: some rotary scalings look at the length.
  std::size_t whole_length = 0;
};

}  // namespace trine::runtime
