// Grouped-query attention over keys and values: causal, or of all rows to all keys.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "runtime/compute.h"
#include "runtime/kv_cache.h"
#include "runtime/relative_bias.h"

namespace trine::runtime {

struct AttentionShape {
  std::size_t num_heads = 0;
  std::size_t num_key_value_heads = 0;
  std::size_t head_dim = 0;    ///< of queries and keys
  std::size_t v_head_dim = 0;  ///< of values and outputs
  double softmax_scale = 0.0;
  bool is_causal = true;  ///< a row sees no key after its own
  std::optional<std::size_t>
      sliding_window{};  ///< causal: positions a token sees, itself included
  /// Added to the scores by the distance between a row and a key; null: none.
  const RelativeBias* relative_bias = nullptr;
  /// One more logit per head that takes probability and gives nothing; empty: none.
  std::span<const float> sinks{};
};

/// The new tokens of one sequence in a step. Causal attention, windows and relative biases take
/// the last num_rows keys for those of the rows themselves.
struct AttentionRows {
  std::size_t first_row = 0;  ///< of this sequence in queries and outputs
  std::size_t num_rows = 0;   ///< new tokens
  std::size_t num_keys = 0;   ///< at least num_rows where keys are the tokens' own
  KeysAndValues source{};
};

/// outputs[row, head] = Σ_k softmax(softmax_scale · q·k + bias) v over the positions the row may see.
/// queries are [rows, num_heads · head_dim], outputs [rows, num_heads · v_head_dim]. fp32.
/// Pages are read, and everything is when the Compute is steady, in a way that gives a row the same
/// outputs whatever other rows come with it.
void attend(Compute& compute, const AttentionShape& shape,
            std::span<const AttentionRows> sequences, const float* queries, float* outputs);

}  // namespace trine::runtime
