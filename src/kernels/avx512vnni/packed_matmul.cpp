// Packed weights times digit inputs with VNNI: which of the two ways a call goes.
// g++ 12 takes the "undefined" registers inside its own AVX-512 header for our mistake.
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include "kernels/avx512vnni/packed_matmul.h"

#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "kernels/block_codec.h"
#include "kernels/each_width.h"
#include "kernels/token_tiles.h"

#define TRINE_TARGET_AVX512 \
  __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))

namespace trine::kernels::avx512vnni {
namespace {

#include "kernels/avx512/unpack_body.h"
#include "kernels/avx512vnni/one_token_body.h"
#include "kernels/avx512vnni/tile_body.h"
// After the operands that it shares.
#include "kernels/avx512vnni/many_tokens_body.h"
#include "kernels/avx512vnni/panel_tile_body.h"

/// One call of KernelTable::packed_matmul.
struct Call {
  const PackedMatrixView& matrix;
  RowBlockRange rows;
  const PreparedInputs& inputs;
  const OutputRows& output;
};

/// The row blocks from `index` on, kBlocks parts side by side: each is one long run of memory, and
/// the processor's prefetcher follows few long runs better than many short ones.
template <int kBits, int kChunks, bool kIsWide, int kDigits, int kBlocks>
std::size_t multiply_parts(const Call& call, std::size_t index) noexcept {
  const std::size_t part = (call.rows.end - index) / kBlocks;
  for (std::size_t i = 0; i < part; ++i) {
    const RowBlock row_block = row_block_of(call.matrix, index + i);
    multiply_one<kBits, kChunks, kIsWide, kDigits, kBlocks>(
        {row_block.blocks, part, row_block.num_rows}, call.matrix.layout,
        token_input(call.matrix.layout, call.inputs, call.output, 0, index + i));
  }
  return index + kBlocks * part;
}

template <int kBits, int kChunks, bool kIsWide, int kDigits>
void multiply_one_token(const Call& call) noexcept {
  std::size_t index = call.rows.begin;
  index = multiply_parts<kBits, kChunks, kIsWide, kDigits, 4>(call, index);
  index = multiply_parts<kBits, kChunks, kIsWide, kDigits, 2>(call, index);
  multiply_parts<kBits, kChunks, kIsWide, kDigits, 1>(call, index);
}

/// Some tokens of a call with two row blocks, or one.
struct Part {
  const DigitLayout& digits;  ///< of every token
  std::size_t first_token, num_tokens;
  std::size_t row_block, num_blocks;
  OutputTile* outputs;  ///< of each token
};

/// Outputs of a part's tokens from `token` on, as the caller wants them.
struct Rows {
  float* first;
  std::size_t stride, length;

  Rows(const Call& call, const Part& part, std::size_t token) noexcept
      : first(call.output.data + (part.first_token + token) * call.output.stride +
              part.row_block * kBlockRows),
        stride(call.output.stride),
        length(std::min(part.num_blocks * kBlockRows,
                        call.matrix.layout.out_features - part.row_block * kBlockRows)) {}

  /// Asks for the lines that store() will write.
  void fetch(std::size_t count) const noexcept {
    for (std::size_t t = 0; t < count; ++t) {
      __builtin_prefetch(first + t * stride, 1);
      __builtin_prefetch(first + t * stride + length - 1, 1);
    }
  }
  void store(const OutputTile* outputs, std::size_t count) const noexcept {
    for (std::size_t t = 0; t < count; ++t) {
      std::memcpy(first + t * stride, outputs[t].of, length * sizeof(float));
    }
  }
};

/// One run of a part, tile by tile of tokens.
template <int kBits, int kChunks, bool kIsWide, int kDigits>
void multiply_run(const Call& call, const Part& part, const Run& run, Panel& panel) noexcept {
  constexpr std::size_t kTile = 8 / kDigits;
  const PackedLayout& layout = call.matrix.layout;
  const std::uint8_t* row_blocks = row_block_of(call.matrix, part.row_block).blocks;
  const bool is_last = run.first_group + run.num_groups == layout.num_groups();
  const bool is_fused = part.num_blocks == kPanelBlocks && part.num_tokens >= kTile;
  for (std::size_t block = 0; !is_fused && block < part.num_blocks; ++block) {
    unpack_run<kBits, kIsWide>(row_blocks + block * layout.row_block_bytes(), layout, run,
                               panel, block);
  }
  Run tile_run = run;
  for (std::size_t token = 0; token < part.num_tokens; token += kTile) {
    const std::size_t count = std::min(kTile, part.num_tokens - token);
    TokenInput tokens[kTile];
    for (std::size_t t = 0; t < count; ++t) {
      const std::size_t index = part.first_token + token + t;
      const std::uint8_t* data = call.inputs.data + index * call.inputs.bytes_per_token;
      tokens[t] = {data, reinterpret_cast<const float*>(data + part.digits.scales_offset()),
                   reinterpret_cast<const float*>(data + part.digits.sums_offset()), nullptr};
    }
    const Rows rows(call, part, token);
    if (is_last) rows.fetch(count);
    OutputTile* outputs = part.outputs + token;
    if (is_fused && token == 0) {
      const FromBlocks<kBits, kIsWide> blocks{panel, layout, row_blocks, run.first_group};
      multiply_tile<kDigits, kTile, kPanelBlocks>(blocks, tile_run, tokens, outputs);
    } else if (part.num_blocks == kPanelBlocks) {
      multiply_tokens<kChunks, kDigits, kPanelBlocks>(panel, tile_run, tokens, count, outputs);
    } else {
      multiply_tokens<kChunks, kDigits, 1>(panel, tile_run, tokens, count, outputs);
    }
    if (is_last) rows.store(outputs, count);
    tile_run.next = nullptr;  // asked for once
  }
}

template <int kBits, int kChunks, bool kIsWide, int kDigits>
void multiply_many_tokens(const Call& call) noexcept {
  const PackedLayout& layout = call.matrix.layout;
  const std::size_t groups = layout.num_groups(),
                    groups_per_run = kRunInputs / layout.group_size;
  const DigitLayout digits(layout.in_features, layout.group_size, kDigits);
  Panel panel;
  OutputTile outputs[kMostTokens];
  for (std::size_t index = call.rows.begin; index < call.rows.end; index += kPanelBlocks) {
    const std::size_t num_blocks = std::min(kPanelBlocks, call.rows.end - index);
    for (std::size_t token = 0; token < call.inputs.num_tokens; token += kMostTokens) {
      const Part part{digits, token,      std::min(kMostTokens, call.inputs.num_tokens - token),
                      index,  num_blocks, outputs};
      for (std::size_t first = 0; first < groups; first += groups_per_run) {
        const Run run = run_from(call.matrix, index, num_blocks, first, groups_per_run);
        multiply_run<kBits, kChunks, kIsWide, kDigits>(call, part, run, panel);
      }
    }
  }
}

template <int kBits, int kChunks, bool kIsWide, int kDigits>
void multiply(const Call& call) noexcept {
  if (call.inputs.num_tokens == 1) {
    return multiply_one_token<kBits, kChunks, kIsWide, kDigits>(call);
  }
  multiply_many_tokens<kBits, kChunks, kIsWide, kDigits>(call);
}

template <int kBits, bool kIsWide, int kDigits>
void multiply(const Call& call) noexcept {
  switch (call.matrix.layout.num_chunks_per_group()) {
    case 1: return multiply<kBits, 1, kIsWide, kDigits>(call);
    case 2: return multiply<kBits, 2, kIsWide, kDigits>(call);
    default: return multiply<kBits, 4, kIsWide, kDigits>(call);
  }
}

template <int kBits>
void multiply(const Call& call) noexcept {
  const bool is_wide = call.matrix.layout.metadata_bits == 16;
  if (digits_of(call.inputs.form) == 1) {
    return is_wide ? multiply<kBits, true, 1>(call) : multiply<kBits, false, 1>(call);
  }
  return is_wide ? multiply<kBits, true, 2>(call) : multiply<kBits, false, 2>(call);
}

}  // namespace

void packed_matmul(const PackedMatrixView& matrix, RowBlockRange rows,
                   const PreparedInputs& inputs, const OutputRows& output) noexcept {
  const Call call{matrix, rows, inputs, output};
  with_width(matrix.layout.bits, [&](auto bits) { multiply<bits>(call); });
}

}  // namespace trine::kernels::avx512vnni
