// Packed weights times digit inputs with VNNI: which of the two ways a call goes.
#include "kernels/avx512vnni/packed_matmul.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/avx512_intrinsics.h"
#include "kernels/block_codec.h"
#include "kernels/each_width.h"
#include "kernels/token_tiles.h"

#define TRINE_TARGET_AVX512 \
  __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))

namespace trine::kernels::avx512vnni {
namespace {

#include "kernels/avx512/unpack_body.h"
#include "kernels/avx512vnni/placed_codes_body.h"
// After the operands that it multiplies.
#include "kernels/avx512vnni/one_token_body.h"
#include "kernels/avx512vnni/tile_body.h"
// After the operands that it shares.
#include "kernels/avx512vnni/many_tokens_body.h"
// After the panel that they multiply, or the codes that they unpack.
#include "kernels/avx512vnni/one_digit_tile_body.h"
#include "kernels/avx512vnni/sixteen_tokens_body.h"
#include "kernels/avx512vnni/two_digit_tile_body.h"

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
  if (part == 0) return index;
  const PackedLayout& layout = call.matrix.layout;
  // Once, because they take divisions: of 256 rows of 4096 inputs in the cache they were 1 %.
  const std::size_t block_bytes = layout.row_block_bytes();
  const RowBlock first = row_block_of(call.matrix, index);
  const TokenInput token = token_input(layout, call.inputs, call.output, 0, index);
  for (std::size_t i = 0; i < part; ++i) {
    TokenInput here = token;
    here.output += i * kBlockRows;
    multiply_one<kBits, kChunks, kIsWide, kDigits, kBlocks>(
        {first.blocks + i * block_bytes, part, first.num_rows - i * kBlockRows}, layout, here);
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
  TRINE_TARGET_AVX512 void store(const OutputTile* outputs, std::size_t count) const noexcept {
    const auto present = static_cast<std::uint32_t>((std::uint64_t{1} << length) - 1);
    for (std::size_t t = 0; t < count; ++t) {
      float* row = first + t * stride;
      const float* output = outputs[t].of;
      _mm512_mask_storeu_ps(row, static_cast<__mmask16>(present), _mm512_load_ps(output));
      _mm512_mask_storeu_ps(row + kBlockRows, static_cast<__mmask16>(present >> kBlockRows),
                            _mm512_load_ps(output + kBlockRows));
    }
  }
};

/// multiply_tile() of a full tile, 8 / kDigits tokens of one batch, from a full panel.
template <int kChunks, int kDigits>
TRINE_TARGET_AVX512 void multiply_full_tile(const Panel& panel, const Run& run,
                                            const TokenInput* tokens,
                                            OutputTile* outputs) noexcept {
  static_assert(fits_assembly<Panel>());
  if (run.first_group == 0) {
    for (std::size_t t = 0; t < 8 / kDigits; ++t) outputs[t] = {};
  }
  if constexpr (kDigits == 1) {
    multiply_eight<kChunks>(panel, run, tokens, outputs);
  } else {
    multiply_four<kChunks>(panel, run, tokens, outputs);
  }
}

/// A tile of tokens of one batch, full or not, from kBlocks row blocks of the panel.
template <int kChunks, int kDigits, int kBlocks>
void multiply_tokens(const Panel& panel, const Run& run, const TokenInput* tokens,
                     std::size_t count, OutputTile* outputs) noexcept {
  constexpr std::size_t kTile = 8 / kDigits;
  const FromPanel source{panel};
  if (count == kTile) {
    if constexpr (kBlocks == kPanelBlocks) {
      return multiply_full_tile<kChunks, kDigits>(panel, run, tokens, outputs);
    } else {
      return multiply_tile<kDigits, kTile, kBlocks>(source, run, tokens, outputs);
    }
  }
  std::size_t done = 0;
  if (count >= kTile / 2) {
    multiply_tile<kDigits, kTile / 2, kBlocks>(source, run, tokens, outputs);
    done = kTile / 2;
  }
  for (; done < count; ++done) {
    multiply_tile<kDigits, 1, kBlocks>(source, run, tokens + done, outputs + done);
  }
}

/// A full tile, from codes as they are stored.
template <int kBits, bool kIsWide, int kDigits>
void multiply_stored(const StoredRun& stored, bool is_kept, const TokenInput* tokens,
                     OutputTile* outputs) noexcept {
  constexpr int kTile = 8 / kDigits;
  if constexpr (kDigits == 1) {
    if (!is_kept) {
      const FromBlocks<kBits, kIsWide, kDigits, false> source{stored};
      return multiply_tile<kDigits, kTile, kPanelBlocks>(source, stored.run, tokens, outputs);
    }
  }
  const FromBlocks<kBits, kIsWide, kDigits, true> source{stored};
  multiply_tile<kDigits, kTile, kPanelBlocks>(source, stored.run, tokens, outputs);
}

/// A part of sixteen tokens of one digit.
template <int kBits, bool kIsWide>
void multiply_part_of_sixteen(const Call& call, const Part& part) noexcept {
  const PackedLayout& layout = call.matrix.layout;
  const Sixteen tokens{
      token_input(layout, call.inputs, call.output, part.first_token, part.row_block),
      call.inputs.bytes_per_token, part.outputs};
  const std::uint8_t* row_block = row_block_of(call.matrix, part.row_block).blocks;
  Run run = part.run;
  for (std::size_t block = 0; block < part.num_blocks; ++block) {
    multiply_sixteen<kBits, kIsWide>(row_block, layout, run, tokens, block);
    row_block += layout.row_block_bytes();
    run.next = nullptr;  // asked for once
  }
  if (run.first_group + run.num_groups == layout.num_groups()) {
    Rows(call, part, 0).store(part.outputs, kSixteen);
  }
}

/// One run of a part, tile by tile of tokens.
template <int kBits, int kChunks, bool kIsWide, int kDigits>
void multiply_run(const Call& call, const Part& part, Panel& panel) noexcept {
  if constexpr (kDigits == 1) {
    if (part.num_tokens == kSixteen) {
      return multiply_part_of_sixteen<kBits, kIsWide>(call, part);
    }
  }
  Run run = part.run;
  constexpr std::size_t kTile = 8 / kDigits;
  const PackedLayout& layout = call.matrix.layout;
  const DigitLayout digits(layout.in_features, layout.group_size, kDigits);
  const std::uint8_t* row_blocks = row_block_of(call.matrix, part.row_block).blocks;
  const bool is_last = run.first_group + run.num_groups == layout.num_groups();
  // One tile of one digit is multiplied sooner than the panel is filled.
  const bool has_tile = part.num_blocks == kPanelBlocks && part.num_tokens >= kTile;
  const bool is_kept = kDigits == 2 || part.num_tokens != kTile;
  for (std::size_t block = 0; !has_tile && block < part.num_blocks; ++block) {
    unpack_run<kBits, kIsWide, kDigits>(row_blocks + block * layout.row_block_bytes(), layout,
                                        run, panel, block);
  }
  for (std::size_t token = 0; token < part.num_tokens; token += kTile) {
    const std::size_t count = std::min(kTile, part.num_tokens - token);
    TokenInput tokens[kTile];
    for (std::size_t t = 0; t < count; ++t) {
      const std::size_t index = part.first_token + token + t;
      const std::uint8_t* data = call.inputs.data + index * call.inputs.bytes_per_token;
      tokens[t] = {data, reinterpret_cast<const float*>(data + digits.scales_offset()),
                   reinterpret_cast<const float*>(data + digits.sums_offset()), nullptr};
    }
    const Rows rows(call, part, token);
    if (is_last) rows.fetch(count);
    OutputTile* outputs = part.outputs + token;
    if (has_tile && (token == 0 || !is_kept)) {
      const StoredRun stored{panel, layout, row_blocks, run};
      multiply_stored<kBits, kIsWide, kDigits>(stored, is_kept, tokens, outputs);
    } else if (part.num_blocks == kPanelBlocks) {
      multiply_tokens<kChunks, kDigits, kPanelBlocks>(panel, run, tokens, count, outputs);
    } else {
      multiply_tokens<kChunks, kDigits, 1>(panel, run, tokens, count, outputs);
    }
    if (is_last) rows.store(outputs, count);
    run.next = nullptr;  // asked for once
  }
}

template <int kBits, int kChunks, bool kIsWide, int kDigits>
void multiply_many_tokens(const Call& call) noexcept {
  Panel panel;
  for_each_part(call.matrix, call.rows, call.inputs.num_tokens, kRunInputs,
                [&](const Part& part) {
                  multiply_run<kBits, kChunks, kIsWide, kDigits>(call, part, panel);
                });
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
