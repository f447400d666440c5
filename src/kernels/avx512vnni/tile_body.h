// What products of several tokens share, of digits and of bf16: two row blocks are unpacked for some
// groups, a panel, and multiplied by tile after tile of tokens. Included after avx512/unpack_body.h.

constexpr std::size_t kPanelBlocks = 2;

/// Tokens multiplied with a run before the next tokens: their inputs, 512 kB, stay in the second cache.
constexpr std::size_t kMostTokens = 256;

/// Panels multiplied with some inputs before the next inputs: of 512 tokens with 14336 inputs, which come
/// from a cache shared with others, 73 to 80 % of the peak where the others were busy.
constexpr std::size_t kStripPanels = 8;

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

/// Where a run begins: kPanelBlocks row blocks, or the last one alone.
struct RunPlace {
  std::size_t row_block, first_group;
};

/// Row blocks of a panel from `row_block` on, of those before `end`.
constexpr std::size_t panel_blocks(std::size_t row_block, std::size_t end) noexcept {
  return std::min(kPanelBlocks, end - row_block);
}

/// The run of `most_groups` groups or the rest from `place` on, and where the next one begins, which may
/// be in row blocks that another call will multiply. Behind the matrix there is none.
Run run_at(const PackedMatrixView& matrix, RunPlace place, std::size_t most_groups,
           RunPlace next) noexcept {
  const PackedLayout& layout = matrix.layout;
  Run run{.first_group = place.first_group,
          .num_groups = std::min(most_groups, layout.num_groups() - place.first_group),
          .group_size = layout.group_size,
          .next = nullptr,
          .next_apart = 0,
          .bytes_per_group = layout.codes_bytes() + kLineBytes};
  if (next.row_block < layout.num_row_blocks()) {
    run.next =
        row_block_of(matrix, next.row_block).blocks + layout.codes_offset(next.first_group);
    const std::size_t blocks = panel_blocks(next.row_block, layout.num_row_blocks());
    run.next_apart = (blocks - 1) * layout.row_block_bytes();
  }
  return run;
}

/// Some tokens with a run of a panel's row blocks.
struct Part {
  std::size_t first_token, num_tokens;
  std::size_t row_block, num_blocks;
  Run run;
  OutputTile* outputs;  ///< of each token; the first run begins them, the last one leaves them
};

/// Where the run after `place` begins: panel by panel of a strip, then run by run, then the next strip.
RunPlace next_place(RunPlace place, RowBlockRange strip, std::size_t groups_per_run,
                    std::size_t groups) noexcept {
  if (place.row_block + kPanelBlocks < strip.end) {
    return {place.row_block + kPanelBlocks, place.first_group};
  }
  const std::size_t end = place.first_group + groups_per_run;
  return end < groups ? RunPlace{strip.begin, end} : RunPlace{strip.end, 0};
}

/// Calls multiply(part) for all there is, runs of `run_inputs` inputs.
template <class Multiply>
void for_each_part(const PackedMatrixView& matrix, RowBlockRange rows, std::size_t num_tokens,
                   std::size_t run_inputs, const Multiply& multiply) noexcept {
  constexpr std::size_t kStripBlocks = kStripPanels * kPanelBlocks;
  const std::size_t groups = matrix.layout.num_groups(),
                    groups_per_run = run_inputs / matrix.layout.group_size;
  OutputTile outputs[kStripPanels][kMostTokens];
  for (std::size_t begin = rows.begin; begin < rows.end; begin += kStripBlocks) {
    const RowBlockRange strip{begin, std::min(begin + kStripBlocks, rows.end)};
    for (std::size_t token = 0; token < num_tokens; token += kMostTokens) {
      RunPlace place{strip.begin, 0};
      while (place.row_block < strip.end) {
        const RunPlace next = next_place(place, strip, groups_per_run, groups);
        multiply(Part{.first_token = token,
                      .num_tokens = std::min(kMostTokens, num_tokens - token),
                      .row_block = place.row_block,
                      .num_blocks = panel_blocks(place.row_block, strip.end),
                      .run = run_at(matrix, place, groups_per_run, next),
                      .outputs = outputs[(place.row_block - begin) / kPanelBlocks]});
        place = next;
      }
    }
  }
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

enum class Cache { kFirst, kSecond };

/// Asks for what the next tile reads of one group, kBytes of each of its kTokens tokens, which lie
/// `stride` bytes apart; where there are none, nothing happens. Many tokens' inputs come from the
/// third cache: of 512 tokens with 14336 bf16 inputs 82.9 → 84.8 % of the peak.
template <std::size_t kTokens, std::size_t kBytes, Cache kCache>
TRINE_INLINE_AVX512 void fetch_next_tile(const std::uint8_t* inputs,
                                         std::size_t stride) noexcept {
#pragma GCC unroll 8
  for (std::size_t t = kTokens; t < 2 * kTokens; ++t) {
    for (std::size_t at = 0; at < kBytes; at += kLineBytes) {
      const auto* line = reinterpret_cast<const char*>(inputs + t * stride + at);
      if constexpr (kCache == Cache::kFirst) _mm_prefetch(line, _MM_HINT_T0);
      if constexpr (kCache == Cache::kSecond) _mm_prefetch(line, _MM_HINT_T1);
    }
  }
}

// Full tiles are assembly (two_digit_tile_body.h says why). Registers: 0 to 15 sums, 28 and 29 inputs, 30 and
// 31 codes, others by tile. The assembler repeats what is between .rept and .endr, so that a group is one
// stretch without a jump; trine_at counts its operands.
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

/// Where one of eight tokens begins that lie %[s] bytes apart, the first one at %[BASE].
#define TRINE_TOKEN_0(BASE) "(%[" BASE "])"
#define TRINE_TOKEN_1(BASE) "(%[" BASE "],%[s])"
#define TRINE_TOKEN_2(BASE) "(%[" BASE "],%[s],2)"
#define TRINE_TOKEN_3(BASE) "(%[" BASE "],%[s3])"
#define TRINE_TOKEN_4(BASE) "(%[" BASE "],%[s],4)"
#define TRINE_TOKEN_5(BASE) "(%[" BASE "],%[s5])"
#define TRINE_TOKEN_6(BASE) "(%[" BASE "],%[s3],2)"
#define TRINE_TOKEN_7(BASE) "(%[" BASE "],%[s7])"
#define TRINE_TOKEN_STRIDES(STRIDE) \
  [s] "r"(STRIDE), [s3] "r"(3 * (STRIDE)), [s5] "r"(5 * (STRIDE)), [s7] "r"(7 * (STRIDE))

/// TRINE_ADD_INPUTS of eight tokens.
#define TRINE_ADD_EIGHT(DOT)                                                      \
  TRINE_ADD_INPUTS(DOT, "4*trine_at" TRINE_TOKEN_0("x"), "28", "0", "1")          \
  TRINE_ADD_INPUTS(DOT, "4*trine_at" TRINE_TOKEN_1("x"), "29", "2", "3")          \
  TRINE_ADD_INPUTS(DOT, "4*trine_at" TRINE_TOKEN_2("x"), "28", "4", "5")          \
  TRINE_ADD_INPUTS(DOT, "4*trine_at" TRINE_TOKEN_3("x"), "29", "6", "7")          \
  TRINE_ADD_INPUTS(DOT, "4*trine_at" TRINE_TOKEN_4("x"), "28", "8", "9")          \
  TRINE_ADD_INPUTS(DOT, "4*trine_at" TRINE_TOKEN_5("x"), "29", "10", "11")        \
  TRINE_ADD_INPUTS(DOT, "4*trine_at" TRINE_TOKEN_6("x"), "28", "12", "13")        \
  TRINE_ADD_INPUTS(DOT, "4*trine_at" TRINE_TOKEN_7("x"), "29", "14", "15")

/// Scales to 16 and 17, zeros to 18 and 19.
#define TRINE_LOAD_METADATA                            \
  "vmovaps (%[meta]), %%zmm16\n"                       \
  "vmovaps %c[block_meta](%[meta]), %%zmm17\n"         \
  "vmovaps 2*%c[block_meta](%[meta]), %%zmm18\n"       \
  "vmovaps 3*%c[block_meta](%[meta]), %%zmm19\n"

#define TRINE_TILE_CLOBBERS                                                                     \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",      \
  "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "xmm16", "xmm17", "xmm18", "xmm19", "xmm20",     \
  "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "memory"
// clang-format on

/// What the assembly takes for granted.
template <class Panel>
constexpr bool fits_assembly() noexcept {
  return sizeof(OutputTile) == 128 && kPanelBlocks == 2 &&
         offsetof(Panel, zeros) == offsetof(Panel, scales) + sizeof(Panel::scales);
}
