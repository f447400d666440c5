// Packed weights times bf16 inputs with vdpbf16ps: one token, or several.
#include "kernels/avx512vnni/bf16_matmul.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "kernels/avx512_intrinsics.h"
#include "kernels/bf16_layout.h"
#include "kernels/block_codec.h"
#include "kernels/each_width.h"
#include "kernels/token_tiles.h"

#define TRINE_TARGET_AVX512 \
  __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")))

namespace trine::kernels::avx512vnni {
namespace {

#include "kernels/avx512/unpack_body.h"
#include "kernels/avx512vnni/bf16_codes_body.h"
#include "kernels/avx512vnni/tile_body.h"
// After the codes that it multiplies.
#include "kernels/avx512vnni/bf16_tile_body.h"

/// One call of KernelTable::packed_matmul.
struct Call {
  const PackedMatrixView& matrix;
  RowBlockRange rows;
  const PreparedInputs& inputs;
  const OutputRows& output;

  [[nodiscard]] TileInputs inputs_of(std::size_t token, std::size_t group) const noexcept {
    const PackedLayout& layout = matrix.layout;
    const Bf16Layout prepared(layout.in_features, layout.group_size);
    const std::uint8_t* data = inputs.data + token * inputs.bytes_per_token;
    return {data + group * layout.group_size * sizeof(std::uint16_t),
            data + prepared.sums_offset() + group * sizeof(float), inputs.bytes_per_token};
  }

  /// Stores the first outputs of a row block, or of several from there on, that exist.
  void store(const float* outputs, std::size_t token, std::size_t row_block,
             std::size_t count) const noexcept {
    const std::size_t first = row_block * kBlockRows;
    std::memcpy(output.data + token * output.stride + first, outputs,
                std::min(count, matrix.layout.out_features - first) * sizeof(float));
  }
};

/// How far ahead lines are asked for, into the L2 cache; as in one_token_body.h.
constexpr std::size_t kFetchAheadBytes = 1024;

template <int kBits, int kBlocks>
TRINE_INLINE_AVX512 void fetch_chunk(const std::uint8_t* lines, std::size_t apart) noexcept {
#pragma GCC unroll 4
  for (std::size_t block = 0; block < kBlocks; ++block) {
#pragma GCC unroll 8
    for (std::size_t line = 0; line < kBits; ++line) {
      const std::uint8_t* at = lines + block * apart + line * kLineBytes + kFetchAheadBytes;
      _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T1);
    }
  }
}

/// One token times kBlocks row blocks that begin `apart` of them from each other. Each has one sum of a
/// group at a time, so it takes four of them to hide the six clocks of a vdpbf16ps.
template <int kBits, bool kIsWide, int kBlocks>
TRINE_TARGET_AVX512 void multiply_one(const Call& call, std::size_t index,
                                      std::size_t apart) noexcept {
  const PackedLayout& layout = call.matrix.layout;
  const TileInputs token = call.inputs_of(0, 0);
  const std::uint8_t* values = token.values;
  const std::uint8_t* row_block = row_block_of(call.matrix, index).blocks;
  const std::size_t apart_bytes = apart * layout.row_block_bytes();
  Metadata rows[kBlocks]{};
  __m512 outputs[kBlocks];
#pragma GCC unroll 4
  for (std::size_t block = 0; block < kBlocks; ++block) {
    if constexpr (!kIsWide) rows[block] = load_halves(row_block + block * apart_bytes);
    outputs[block] = _mm512_setzero_ps();
  }
  for (std::size_t group = 0; group < layout.num_groups(); ++group) {
    __m512 sums[kBlocks];
#pragma GCC unroll 4
    for (__m512& sum : sums) sum = _mm512_setzero_ps();
    const std::uint8_t* lines = row_block + layout.codes_offset(group);
    for (std::size_t chunk = 0; chunk < layout.num_chunks_per_group(); ++chunk) {
      fetch_chunk<kBits, kBlocks>(lines, apart_bytes);
#pragma GCC unroll 16
      for (std::size_t j = 0; j < 16; ++j) {
        const __m512i x = two_inputs(values + 4 * j);
#pragma GCC unroll 4
        for (std::size_t block = 0; block < kBlocks; ++block) {
          const std::uint8_t* at = lines + block * apart_bytes;
          sums[block] = add_pairs(sums[block], bf16_pair<kBits>(at, j / 2, j % 2), x);
        }
      }
      lines += kBits * kLineBytes;
      values += kChunkInputs * sizeof(std::uint16_t);
    }
    float input_sum = 0.0f;
    std::memcpy(&input_sum, token.sums + group * sizeof(float), sizeof input_sum);
#pragma GCC unroll 4
    for (std::size_t block = 0; block < kBlocks; ++block) {
      const Metadata metadata = load_bf16_metadata<kBits, kIsWide>(
          row_block + block * apart_bytes + layout.metadata_offset(group), rows[block]);
      outputs[block] = add_group_sum(sums[block], metadata, input_sum, outputs[block]);
    }
  }
#pragma GCC unroll 4
  for (std::size_t block = 0; block < kBlocks; ++block) {
    alignas(kLineBytes) float stored[kBlockRows];
    _mm512_store_ps(stored, outputs[block]);
    call.store(stored, 0, index + block * apart, kBlockRows);
  }
}

/// Four row blocks at a time, each from a quarter of them of its own: the processor's prefetcher
/// follows few long runs better than many short ones.
template <int kBits, bool kIsWide>
void multiply_one_token(const Call& call) noexcept {
  constexpr std::size_t kParts = 4;
  const std::size_t part = (call.rows.end - call.rows.begin) / kParts;
  for (std::size_t i = 0; i < part; ++i) {
    multiply_one<kBits, kIsWide, kParts>(call, call.rows.begin + i, part);
  }
  for (std::size_t i = call.rows.begin + kParts * part; i < call.rows.end; ++i) {
    multiply_one<kBits, kIsWide, 1>(call, i, 0);
  }
}

/// The next one, two, four or eight of `count` tokens; returns how many.
template <int kChunks, int kBlocks>
std::size_t multiply_next(const Panel& panel, const Run& run, const TileInputs& tokens,
                          std::size_t count, OutputTile* outputs) noexcept {
  if (count >= 8) {
    if constexpr (kBlocks == kPanelBlocks) {
      multiply_full_tile<kChunks>(panel, run, tokens, outputs);
    } else {
      multiply_tile<8, kBlocks>(panel, run, tokens, outputs);
    }
    return 8;
  }
  if (count >= 4) {
    multiply_tile<4, kBlocks>(panel, run, tokens, outputs);
    return 4;
  }
  if (count >= 2) {
    multiply_tile<2, kBlocks>(panel, run, tokens, outputs);
    return 2;
  }
  multiply_tile<1, kBlocks>(panel, run, tokens, outputs);
  return 1;
}

/// Some tokens with a run of kBlocks row blocks.
template <int kBits, int kChunks, bool kIsWide, int kBlocks>
void multiply_part(const Call& call, const Part& part, Panel& panel) noexcept {
  const PackedLayout& layout = call.matrix.layout;
  Run run = part.run;
  if (run.first_group == 0) {
    std::memset(part.outputs, 0, part.num_tokens * sizeof(OutputTile));
  }
  for (std::size_t block = 0; block < kBlocks; ++block) {
    unpack_run<kBits, kIsWide>(row_block_of(call.matrix, part.row_block + block).blocks, layout,
                               run, panel, block);
  }
  for (std::size_t token = 0; token < part.num_tokens;) {
    token += multiply_next<kChunks, kBlocks>(
        panel, run, call.inputs_of(part.first_token + token, run.first_group),
        part.num_tokens - token, part.outputs + token);
    run.next = nullptr;  // asked for once
  }
  if (run.first_group + run.num_groups < layout.num_groups()) return;
  for (std::size_t token = 0; token < part.num_tokens; ++token) {
    call.store(part.outputs[token].of, part.first_token + token, part.row_block,
               kBlocks * kBlockRows);
  }
}

template <int kBits, int kChunks, bool kIsWide>
void multiply_many_tokens(const Call& call) noexcept {
  Panel panel;
  for_each_part(call.matrix, call.rows, call.inputs.num_tokens, kRunInputs,
                [&](const Part& part) {
                  if (part.num_blocks == kPanelBlocks) {
                    multiply_part<kBits, kChunks, kIsWide, kPanelBlocks>(call, part, panel);
                  } else {
                    multiply_part<kBits, kChunks, kIsWide, 1>(call, part, panel);
                  }
                });
}

template <int kBits, bool kIsWide>
void multiply(const Call& call) noexcept {
  if (call.inputs.num_tokens == 1) return multiply_one_token<kBits, kIsWide>(call);
  switch (call.matrix.layout.num_chunks_per_group()) {
    case 1: return multiply_many_tokens<kBits, 1, kIsWide>(call);
    case 2: return multiply_many_tokens<kBits, 2, kIsWide>(call);
    default: return multiply_many_tokens<kBits, 4, kIsWide>(call);
  }
}

}  // namespace

void bf16_matmul(const PackedMatrixView& matrix, RowBlockRange rows,
                 const PreparedInputs& inputs, const OutputRows& output) noexcept {
  const Call call{matrix, rows, inputs, output};
  with_width(matrix.layout.bits, [&](auto bits) {
    if (matrix.layout.metadata_bits == 16) return multiply<bits, true>(call);
    return multiply<bits, false>(call);
  });
}

}  // namespace trine::kernels::avx512vnni
