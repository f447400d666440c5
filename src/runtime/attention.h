// Causal grouped-query attention over cached keys and values.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "runtime/compute.h"

namespace trine::runtime {

struct AttentionShape {
  std::size_t num_heads = 0;
  std::size_t num_key_value_heads = 0;
  std::size_t head_dim = 0;    ///< of queries and keys
  std::size_t v_head_dim = 0;  ///< of values and outputs
  double softmax_scale = 0.0;
  std::optional<std::size_t> sliding_window{};  ///< positions a token sees, itself included
  /// One more logit per head that takes probability and gives nothing; empty: none.
  std::span<const float> sinks{};
};

/// The new tokens of one sequence in a step.
struct AttentionRows {
  std::size_t first_row = 0;      ///< of this sequence in queries and outputs
  std::size_t num_rows = 0;       ///< new tokens
  std::size_t past = 0;           ///< tokens before them
  const float* keys = nullptr;    ///< [past + num_rows, num_key_value_heads · head_dim]
  const float* values = nullptr;  ///< likewise, v_head_dim wide
};

/// outputs[row, head] = Σ_k softmax(softmax_scale · q·k) v over the positions the row may see.
/// queries are [rows, num_heads · head_dim], outputs [rows, num_heads · v_head_dim]. fp32.
void attend(Compute& compute, const AttentionShape& shape,
            std::span<const AttentionRows> sequences, const float* queries, float* outputs);

}  // namespace trine::runtime
