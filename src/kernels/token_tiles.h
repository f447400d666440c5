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

[[nodiscard]] inline TokenInput token_input(const PackedLayout& layout,
                                            const PreparedInputs& inputs,
                                            const OutputRows& output, std::size_t token,
                                            std::size_t row_block) noexcept {
  const DigitLayout digits(layout.in_features, layout.group_size, digits_of(inputs.form));
  const std::uint8_t* data = inputs.data + token * inputs.bytes_per_token;
  return {data, reinterpret_cast<const float*>(data + digits.scales_offset()),
          reinterpret_cast<const float*>(data + digits.sums_offset()),
          output.data + token * output.stride + row_block * kBlockRows};
}

/// One row block of the matrix, or the first of several.
struct RowBlock {
  const std::uint8_t* blocks;  ///< its first block
  std::size_t num_rows;        ///< outputs that exist from here on
};

[[nodiscard]] inline RowBlock row_block_of(const PackedMatrixView& matrix,
                                           std::size_t index) noexcept {
  return {matrix.blocks.data() + index * matrix.layout.row_block_bytes(),
          matrix.layout.out_features - index * kBlockRows};
}

/// Calls `multiply(row_block, tokens, count)` for every row block and every tile of tokens, where
/// count is the largest power of two that is left, up to `largest_tile`. A token's result does
/// not depend on its tile, so batches change no result.
template <class Multiply>
void for_each_tile(const PackedMatrixView& matrix, RowBlockRange rows,
                   const PreparedInputs& inputs, const OutputRows& output,
                   std::size_t largest_tile, Multiply multiply) noexcept {
  constexpr std::size_t kMostTokens = 8;
  for (std::size_t index = rows.begin; index < rows.end; ++index) {
    RowBlock row_block = row_block_of(matrix, index);
    if (row_block.num_rows > kBlockRows) row_block.num_rows = kBlockRows;
    std::size_t tile = largest_tile;
    for (std::size_t token = 0; token < inputs.num_tokens; token += tile) {
      while (tile > inputs.num_tokens - token) tile /= 2;
      TokenInput tokens[kMostTokens];
      for (std::size_t t = 0; t < tile; ++t) {
        tokens[t] = token_input(matrix.layout, inputs, output, token + t, index);
      }
      multiply(row_block, tokens, tile);
    }
  }
}

}  // namespace trine::kernels
