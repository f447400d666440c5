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
  std::size_t head_dim = 0;
  std::optional<std::size_t> sliding_window{};  ///< positions a token sees, itself included
};

/// The new tokens of one sequence in a step.
struct AttentionRows {
  std::size_t first_row = 0;      ///< of this sequence in queries and outputs
  std::size_t num_rows = 0;       ///< new tokens
  std::size_t past = 0;           ///< tokens before them
  const float* keys = nullptr;    ///< [past + num_rows, num_key_value_heads · head_dim]
  const float* values = nullptr;  ///< as keys
};

/// outputs[row, head] = Σ_k softmax(q·k / √head_dim) v over the positions the row may see.
/// queries and outputs are [rows, num_heads · head_dim]. Softmax in fp32.
void attend(Compute& compute, const AttentionShape& shape,
            std::span<const AttentionRows> sequences, const float* queries, float* outputs);

}  // namespace trine::runtime
