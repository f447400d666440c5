// What products of several tokens share, of digits and of bf16: two row blocks are unpacked for some
// groups, a panel, and multiplied by tile after tile of tokens. Included after avx512/unpack_body.h.

constexpr std::size_t kPanelBlocks = 2;

/// Tokens multiplied with a run before the next run: their inputs, 512 kB, stay in the second cache.
constexpr std::size_t kMostTokens = 256;

/// Some groups of kPanelBlocks row blocks, kInputs inputs at most, ready to be multiplied.
template <class Code, std::size_t kInputs>
struct PanelOf {
  static constexpr std::size_t kMostGroups = kInputs / kChunkInputs;
  alignas(kLineBytes) Code codes[kPanelBlocks][kInputs * kBlockRows];
  alignas(kLineBytes) float scales[kPanelBlocks][kMostGroups][kBlockRows];
  alignas(kLineBytes) float zeros[kPanelBlocks][kMostGroups][kBlockRows];
};

/// Outputs of one token under way. Those of a tile lie side by side: in the caller's rows they would
/// lie kilobytes apart, in a few sets of the caches, and every run would wait for them again.
struct OutputTile {
  alignas(kLineBytes) float of[kPanelBlocks * kBlockRows];
};

/// Which groups the panel holds, and what to ask for meanwhile.
struct Run {
  std::size_t first_group, num_groups, group_size;
  const std::uint8_t* next;  ///< packed bytes of the next run in the first row block, or null
  std::size_t next_apart;    ///< from there to those of the second row block
  std::size_t bytes_per_group;
};

/// The run from `first` on in row blocks `index` and after. The next one begins behind it, or in the row
/// blocks after these, also where another call will multiply those; after the last there is none.
Run run_from(const PackedMatrixView& matrix, std::size_t index, std::size_t num_blocks,
             std::size_t first, std::size_t most_groups) noexcept {
  const PackedLayout& layout = matrix.layout;
  const std::size_t end = first + most_groups, after = index + num_blocks;
  const std::uint8_t* next = nullptr;
  if (end < layout.num_groups()) {
    next = row_block_of(matrix, index).blocks + layout.codes_offset(end);
  } else if (after < layout.num_row_blocks()) {
    next = row_block_of(matrix, after).blocks;
  }
  return {.first_group = first,
          .num_groups = std::min(most_groups, layout.num_groups() - first),
          .group_size = layout.group_size,
          .next = next,
          .next_apart = (num_blocks - 1) * layout.row_block_bytes(),
          .bytes_per_group = layout.codes_bytes() + kLineBytes};
}

/// Asks for a group of the next run, into the L2 cache. All of it at once would wait for memory.
TRINE_INLINE_AVX512 void fetch_next(const Run& run, std::size_t index) noexcept {
  if (run.next == nullptr) return;
  for (std::size_t line = 0; line < run.bytes_per_group; line += kLineBytes) {
    const std::uint8_t* at = run.next + index * run.bytes_per_group + line;
    _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T1);
    _mm_prefetch(reinterpret_cast<const char*>(at + run.next_apart), _MM_HINT_T1);
  }
}

/// Asks for what the next tile reads of one group, kBytes of each of its kTokens tokens, which lie
/// `stride` bytes apart; where there are none, nothing happens. Many tokens' inputs come from the
/// third cache: of 512 tokens with 14336 bf16 inputs 82.9 → 84.8 % of the peak.
template <std::size_t kTokens, std::size_t kBytes, _mm_hint kHint>
TRINE_INLINE_AVX512 void fetch_next_tile(const std::uint8_t* inputs,
                                         std::size_t stride) noexcept {
#pragma GCC unroll 8
  for (std::size_t t = kTokens; t < 2 * kTokens; ++t) {
    for (std::size_t at = 0; at < kBytes; at += kLineBytes) {
      _mm_prefetch(reinterpret_cast<const char*>(inputs + t * stride + at), kHint);
    }
  }
}

// Full tiles are assembly (panel_tile_body.h says why). Registers: 0 to 15 sums, 16 to 19 scales and
// zeros, from 24 on what a step makes, 30 and 31 codes. The assembler repeats what is between .rept and
// .endr, so that a group is one stretch without a jump; trine_at counts its operands.
// clang-format off
#define TRINE_CLEAR(N) "vpxord %%zmm" N ", %%zmm" N ", %%zmm" N "\n"
#define TRINE_CLEAR_SUMS                                                                    \
  TRINE_CLEAR("0") TRINE_CLEAR("1") TRINE_CLEAR("2") TRINE_CLEAR("3") TRINE_CLEAR("4")      \
  TRINE_CLEAR("5") TRINE_CLEAR("6") TRINE_CLEAR("7") TRINE_CLEAR("8") TRINE_CLEAR("9")      \
  TRINE_CLEAR("10") TRINE_CLEAR("11") TRINE_CLEAR("12") TRINE_CLEAR("13") TRINE_CLEAR("14") \
  TRINE_CLEAR("15")

#define TRINE_BEGIN_OPERANDS                                    \
  ".set trine_at, 0\n"                                          \
  ".rept %c[operands]\n"                                        \
  "vmovdqa64 64*trine_at(%[codes]), %%zmm30\n"                  \
  "vmovdqa64 64*trine_at+%c[block_codes](%[codes]), %%zmm31\n"
#define TRINE_END_OPERANDS         \
  ".set trine_at, trine_at + 1\n"  \
  ".endr\n"

/// Four bytes of a token, at AT: a broadcast feeds the sums of both row blocks.
#define TRINE_ADD_INPUTS(DOT, AT, X, FIRST, SECOND)    \
  "vpbroadcastd " AT ", %%zmm" X "\n"                  \
  DOT " %%zmm" X ", %%zmm30, %%zmm" FIRST "\n"         \
  DOT " %%zmm" X ", %%zmm31, %%zmm" SECOND "\n"

/// The same of eight tokens.
#define TRINE_ADD_EIGHT(DOT)                                                     \
  TRINE_ADD_INPUTS(DOT, "4*trine_at(%[x])", "24", "0", "1")                      \
  TRINE_ADD_INPUTS(DOT, "4*trine_at(%[x],%[s])", "25", "2", "3")                 \
  TRINE_ADD_INPUTS(DOT, "4*trine_at(%[x],%[s],2)", "26", "4", "5")               \
  TRINE_ADD_INPUTS(DOT, "4*trine_at(%[x],%[s3])", "27", "6", "7")                \
  TRINE_ADD_INPUTS(DOT, "4*trine_at(%[x4])", "24", "8", "9")                     \
  TRINE_ADD_INPUTS(DOT, "4*trine_at(%[x4],%[s])", "25", "10", "11")              \
  TRINE_ADD_INPUTS(DOT, "4*trine_at(%[x4],%[s],2)", "26", "12", "13")            \
  TRINE_ADD_INPUTS(DOT, "4*trine_at(%[x4],%[s3])", "27", "14", "15")

#define TRINE_LOAD_METADATA                            \
  "vmovaps (%[meta]), %%zmm16\n"                       \
  "vmovaps %c[block_meta](%[meta]), %%zmm17\n"         \
  "vmovaps 2*%c[block_meta](%[meta]), %%zmm18\n"       \
  "vmovaps 3*%c[block_meta](%[meta]), %%zmm19\n"

#define TRINE_TILE_CLOBBERS                                                                     \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",      \
  "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "xmm16", "xmm17", "xmm18", "xmm19", "xmm24",     \
  "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "memory"
// clang-format on

/// What the assembly takes for granted.
template <class Panel>
constexpr bool fits_assembly() noexcept {
  return sizeof(OutputTile) == 128 && kPanelBlocks == 2 &&
         offsetof(Panel, zeros) == offsetof(Panel, scales) + sizeof(Panel::scales);
}
