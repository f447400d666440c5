// How the digit kernels divide a call: row block by row block, a few tokens at a time.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/digit_layout.h"
#include "kernels/kernel_table.h"

namespace trine::kernels {

/// What a row block needs to know of one token.
struct TokenInput {
  const std::uint8_t* digits;  ///< see DigitLayout
  const float* scales;         ///< one per group
  const float* sums;           ///< one per group
  float* output;               ///< where this row block's outputs go
};

/// One row block of the matrix.
struct RowBlock {
  const std::uint8_t* blocks;  ///< its first block
  std::size_t num_rows;        ///< outputs that exist, at most 16
};

/// Calls `multiply(row_block, tokens, count)` for every row block and every tile of tokens, where
/// count is the largest power of two that is left, up to `largest_tile`. A token's result does
/// not depend on its tile, so batches change no result.
template <class Multiply>
void for_each_tile(const PackedMatrixView& matrix, RowBlockRange rows,
                   const PreparedInputs& inputs, const OutputRows& output,
                   std::size_t largest_tile, Multiply multiply) noexcept {
  constexpr std::size_t kMostTokens = 8;
  const PackedLayout& layout = matrix.layout;
  const DigitLayout digits(layout.in_features, layout.group_size);
  for (std::size_t index = rows.begin; index < rows.end; ++index) {
    const std::size_t first_row = index * kBlockRows;
    const std::size_t left = layout.out_features - first_row;
    const RowBlock row_block{matrix.blocks.data() + index * layout.row_block_bytes(),
                             left < kBlockRows ? left : kBlockRows};
    std::size_t tile = largest_tile;
    for (std::size_t token = 0; token < inputs.num_tokens; token += tile) {
      while (tile > inputs.num_tokens - token) tile /= 2;
      TokenInput tokens[kMostTokens];
      for (std::size_t t = 0; t < tile; ++t) {
        const std::uint8_t* data = inputs.data + (token + t) * inputs.bytes_per_token;
        tokens[t] = {data, reinterpret_cast<const float*>(data + digits.scales_offset()),
                     reinterpret_cast<const float*>(data + digits.sums_offset()),
                     output.data + (token + t) * output.stride + first_row};
      }
      multiply(row_block, tokens, tile);
    }
  }
}

}  // namespace trine::kernels
