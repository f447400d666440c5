// A full tile of tokens times two unpacked row blocks, in assembly. It does what multiply_tile() does,
// number by number, and reaches the 84 % (one digit) and 91 % (two) of the peak rate that the ports
// allow; g++ 12 spills sums and makes 76 to 80 % of the same loop, more or less with every change
// around it. Included after many_tokens_body.h.
//
// Registers: 0 to 15 sums, 16 to 19 scales and zeros, 24 to 29 what a step makes, 30 and 31 codes.
// The assembler repeats what is between .rept and .endr; trine_at counts the operands of a group.

/// Where one group of a tile lies. Tokens are `stride` bytes apart, in digits, scales and sums alike.
struct TileGroup {
  const std::uint8_t* codes;   ///< of the first row block, in the panel
  const float* metadata;       ///< scales of the first row block, in the panel
  const std::uint8_t* digits;  ///< of the first token
  const float *scales, *sums;  ///< of the first token
  std::size_t stride;
  OutputTile* outputs;
};

// clang-format off
/// One token of one digit: a broadcast feeds the sums of both row blocks.
#define TRINE_ADD_DIGIT(AT, X, FIRST, SECOND)          \
  "vpbroadcastd " AT ", %%zmm" X "\n"                  \
  "vpdpbusd %%zmm" X ", %%zmm30, %%zmm" FIRST "\n"     \
  "vpdpbusd %%zmm" X ", %%zmm31, %%zmm" SECOND "\n"

/// One token's output of one row block: add_scaled().
#define TRINE_SCALE_SUM(SUM, SCALE, INPUT_SUM, SCALES, ZEROS, OUTPUT, X, Y)       \
  "vcvtdq2ps %%zmm" SUM ", %%zmm" X "\n"                                           \
  "vmulps " SCALE "%{1to16%}, %%zmm" SCALES ", %%zmm" Y "\n"                       \
  "vfnmadd231ps " INPUT_SUM "%{1to16%}, %%zmm" ZEROS ", %%zmm" X "\n"              \
  "vfmadd213ps " OUTPUT "(%[out]), %%zmm" Y ", %%zmm" X "\n"                       \
  "vmovaps %%zmm" X ", " OUTPUT "(%[out])\n"

/// A token's outputs of both row blocks. MODE: how its token is addressed from the first one.
#define TRINE_SCALE_TOKEN(FIRST, SECOND, SCALE, INPUT_SUM, OUTPUT)                        \
  TRINE_SCALE_SUM(FIRST, SCALE, INPUT_SUM, "16", "18", OUTPUT, "24", "26")                \
  TRINE_SCALE_SUM(SECOND, SCALE, INPUT_SUM, "17", "19", OUTPUT "+64", "25", "27")

#define TRINE_LOAD_METADATA                            \
  "vmovaps (%[meta]), %%zmm16\n"                       \
  "vmovaps %c[block_meta](%[meta]), %%zmm17\n"         \
  "vmovaps 2*%c[block_meta](%[meta]), %%zmm18\n"       \
  "vmovaps 3*%c[block_meta](%[meta]), %%zmm19\n"

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

#define TRINE_TILE_CLOBBERS                                                                     \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",      \
  "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "xmm16", "xmm17", "xmm18", "xmm19", "xmm24",     \
  "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "memory"

/// Adds one group to the outputs of eight tokens of one digit.
template <int kChunks>
TRINE_INLINE_AVX512 void add_group_of_eight(const TileGroup& group) noexcept {
  const std::size_t stride = group.stride;
  const std::uint8_t* last_digits = group.digits + 4 * stride;
  const auto* scales = reinterpret_cast<const std::uint8_t*>(group.scales);
  const auto* sums = reinterpret_cast<const std::uint8_t*>(group.sums);
  asm volatile(
      TRINE_CLEAR_SUMS
      TRINE_BEGIN_OPERANDS
      TRINE_ADD_DIGIT("4*trine_at(%[x])", "24", "0", "1")
      TRINE_ADD_DIGIT("4*trine_at(%[x],%[s])", "25", "2", "3")
      TRINE_ADD_DIGIT("4*trine_at(%[x],%[s],2)", "26", "4", "5")
      TRINE_ADD_DIGIT("4*trine_at(%[x],%[s3])", "27", "6", "7")
      TRINE_ADD_DIGIT("4*trine_at(%[x4])", "24", "8", "9")
      TRINE_ADD_DIGIT("4*trine_at(%[x4],%[s])", "25", "10", "11")
      TRINE_ADD_DIGIT("4*trine_at(%[x4],%[s],2)", "26", "12", "13")
      TRINE_ADD_DIGIT("4*trine_at(%[x4],%[s3])", "27", "14", "15")
      TRINE_END_OPERANDS
      TRINE_LOAD_METADATA
      TRINE_SCALE_TOKEN("0", "1", "(%[xs])", "(%[xt])", "0*128")
      TRINE_SCALE_TOKEN("2", "3", "(%[xs],%[s])", "(%[xt],%[s])", "1*128")
      TRINE_SCALE_TOKEN("4", "5", "(%[xs],%[s],2)", "(%[xt],%[s],2)", "2*128")
      TRINE_SCALE_TOKEN("6", "7", "(%[xs],%[s3])", "(%[xt],%[s3])", "3*128")
      TRINE_SCALE_TOKEN("8", "9", "(%[xs4])", "(%[xt4])", "4*128")
      TRINE_SCALE_TOKEN("10", "11", "(%[xs4],%[s])", "(%[xt4],%[s])", "5*128")
      TRINE_SCALE_TOKEN("12", "13", "(%[xs4],%[s],2)", "(%[xt4],%[s],2)", "6*128")
      TRINE_SCALE_TOKEN("14", "15", "(%[xs4],%[s3])", "(%[xt4],%[s3])", "7*128")
      :
      : [codes] "r"(group.codes), [meta] "r"(group.metadata), [out] "r"(group.outputs),
        [x] "r"(group.digits), [x4] "r"(last_digits), [s] "r"(stride), [s3] "r"(3 * stride),
        [xs] "r"(scales), [xs4] "r"(scales + 4 * stride), [xt] "r"(sums),
        [xt4] "r"(sums + 4 * stride), [operands] "i"(8 * kChunks),
        [block_codes] "i"(sizeof(Panel::codes) / kPanelBlocks),
        [block_meta] "i"(sizeof(Panel::scales) / kPanelBlocks)
      : TRINE_TILE_CLOBBERS);
}

/// Puts 128 · high + low where high was.
#define TRINE_JOIN_DIGITS(HIGH, LOW)                    \
  "vpslld $7, %%zmm" HIGH ", %%zmm" HIGH "\n"           \
  "vpaddd %%zmm" LOW ", %%zmm" HIGH ", %%zmm" HIGH "\n"

/// Adds one group to the outputs of four tokens of two digits.
template <int kChunks>
TRINE_INLINE_AVX512 void add_group_of_four(const TileGroup& group) noexcept {
  const std::size_t stride = group.stride;
  asm volatile(
      TRINE_CLEAR_SUMS
      TRINE_BEGIN_OPERANDS
      TRINE_ADD_DIGIT("4*trine_at(%[x])", "24", "0", "1")
      TRINE_ADD_DIGIT("4*trine_at+%c[low](%[x])", "25", "2", "3")
      TRINE_ADD_DIGIT("4*trine_at(%[x],%[s])", "26", "4", "5")
      TRINE_ADD_DIGIT("4*trine_at+%c[low](%[x],%[s])", "27", "6", "7")
      TRINE_ADD_DIGIT("4*trine_at(%[x],%[s],2)", "24", "8", "9")
      TRINE_ADD_DIGIT("4*trine_at+%c[low](%[x],%[s],2)", "25", "10", "11")
      TRINE_ADD_DIGIT("4*trine_at(%[x],%[s3])", "26", "12", "13")
      TRINE_ADD_DIGIT("4*trine_at+%c[low](%[x],%[s3])", "27", "14", "15")
      TRINE_END_OPERANDS
      TRINE_LOAD_METADATA
      TRINE_JOIN_DIGITS("0", "2") TRINE_JOIN_DIGITS("1", "3")
      TRINE_SCALE_TOKEN("0", "1", "(%[xs])", "(%[xt])", "0*128")
      TRINE_JOIN_DIGITS("4", "6") TRINE_JOIN_DIGITS("5", "7")
      TRINE_SCALE_TOKEN("4", "5", "(%[xs],%[s])", "(%[xt],%[s])", "1*128")
      TRINE_JOIN_DIGITS("8", "10") TRINE_JOIN_DIGITS("9", "11")
      TRINE_SCALE_TOKEN("8", "9", "(%[xs],%[s],2)", "(%[xt],%[s],2)", "2*128")
      TRINE_JOIN_DIGITS("12", "14") TRINE_JOIN_DIGITS("13", "15")
      TRINE_SCALE_TOKEN("12", "13", "(%[xs],%[s3])", "(%[xt],%[s3])", "3*128")
      :
      : [codes] "r"(group.codes), [meta] "r"(group.metadata), [out] "r"(group.outputs),
        [x] "r"(group.digits), [s] "r"(stride), [s3] "r"(3 * stride), [xs] "r"(group.scales),
        [xt] "r"(group.sums), [low] "i"(kChunks * kChunkInputs), [operands] "i"(8 * kChunks),
        [block_codes] "i"(sizeof(Panel::codes) / kPanelBlocks),
        [block_meta] "i"(sizeof(Panel::scales) / kPanelBlocks)
      : TRINE_TILE_CLOBBERS);
}
// clang-format on

/// multiply_tile() of a full tile, 8 / kDigits tokens of one batch, from a full panel.
template <int kChunks, int kDigits>
TRINE_TARGET_AVX512 void multiply_panel_tile(const Panel& panel, const Run& run,
                                             const TokenInput* tokens,
                                             OutputTile* outputs) noexcept {
  constexpr std::size_t kTokens = 8 / kDigits, kGroupSize = kChunks * kChunkInputs;
  static_assert(sizeof(OutputTile) == 128 && kPanelBlocks == 2, "as the assembly has it");
  static_assert(offsetof(Panel, zeros) == offsetof(Panel, scales) + sizeof(Panel::scales));
  if (run.first_group == 0) {
    for (std::size_t t = 0; t < kTokens; ++t) outputs[t] = {};
  }
  TileGroup group{.codes = panel.codes[0],
                  .metadata = panel.scales[0][0],
                  .digits = tokens[0].digits + kDigits * run.first_group * kGroupSize,
                  .scales = tokens[0].scales + run.first_group,
                  .sums = tokens[0].sums + run.first_group,
                  .stride = static_cast<std::size_t>(tokens[1].digits - tokens[0].digits),
                  .outputs = outputs};
  for (std::size_t i = 0; i < run.num_groups; ++i) {
    // The next tile's digits are asked for: of many tokens they come from the third cache.
#pragma GCC unroll 8
    for (std::size_t t = 0; t < kTokens; ++t) {
      const std::uint8_t* next = group.digits + (kTokens + t) * group.stride;
      for (std::size_t line = 0; line < kDigits * kGroupSize; line += kLineBytes) {
        _mm_prefetch(reinterpret_cast<const char*>(next + line), _MM_HINT_T1);
      }
    }
    if constexpr (kDigits == 1) {
      add_group_of_eight<kChunks>(group);
    } else {
      add_group_of_four<kChunks>(group);
    }
    group.codes += kGroupSize * kBlockRows;
    group.metadata += kBlockRows;
    group.digits += kDigits * kGroupSize;
    ++group.scales;
    ++group.sums;
  }
}

/// Any number of tokens of one batch, from kBlocks row blocks of the panel.
template <int kChunks, int kDigits, int kBlocks>
void multiply_tokens(const Panel& panel, const Run& run, const TokenInput* tokens,
                     std::size_t count, OutputTile* outputs) noexcept {
  constexpr std::size_t kTile = 8 / kDigits;
  const FromPanel source{panel};
  while (count > 0) {
    std::size_t tile = kTile;
    if (kBlocks == kPanelBlocks && count >= kTile) {
      multiply_panel_tile<kChunks, kDigits>(panel, run, tokens, outputs);
    } else if (count >= kTile) {
      multiply_tile<kDigits, kTile, kBlocks>(source, run, tokens, outputs);
    } else if (count >= kTile / 2) {
      tile = kTile / 2;
      multiply_tile<kDigits, kTile / 2, kBlocks>(source, run, tokens, outputs);
    } else {
      tile = 1;
      multiply_tile<kDigits, 1, kBlocks>(source, run, tokens, outputs);
    }
    tokens += tile;
    outputs += tile;
    count -= tile;
  }
}
