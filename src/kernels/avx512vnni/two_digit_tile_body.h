// A full tile of four tokens of two digits times two unpacked row blocks, in assembly. It does what
// multiply_tile() does, number by number. Alone it runs at the 91 % of the peak rate that the ports allow,
// with all around it at 88; g++ 12 spills sums and makes 76 to 80 % of the same loop, more or less with
// every change around it. Included after many_tokens_body.h.

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
/// One token's output of one row block: add_scaled().
#define TRINE_SCALE_SUM(SUM, SCALE, INPUT_SUM, SCALES, ZEROS, OUTPUT, X, Y)       \
  "vcvtdq2ps %%zmm" SUM ", %%zmm" X "\n"                                           \
  "vmulps " SCALE "%{1to16%}, %%zmm" SCALES ", %%zmm" Y "\n"                       \
  "vfnmadd231ps " INPUT_SUM "%{1to16%}, %%zmm" ZEROS ", %%zmm" X "\n"              \
  "vfmadd213ps " OUTPUT "(%[out]), %%zmm" Y ", %%zmm" X "\n"                       \
  "vmovaps %%zmm" X ", " OUTPUT "(%[out])\n"

/// A token's outputs of both row blocks.
#define TRINE_SCALE_TOKEN(FIRST, SECOND, SCALE, INPUT_SUM, OUTPUT)                        \
  TRINE_SCALE_SUM(FIRST, SCALE, INPUT_SUM, "16", "18", OUTPUT, "24", "26")                \
  TRINE_SCALE_SUM(SECOND, SCALE, INPUT_SUM, "17", "19", OUTPUT "+64", "25", "27")

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
      TRINE_ADD_INPUTS("vpdpbusd", "4*trine_at(%[x])", "24", "0", "1")
      TRINE_ADD_INPUTS("vpdpbusd", "4*trine_at+%c[low](%[x])", "25", "2", "3")
      TRINE_ADD_INPUTS("vpdpbusd", "4*trine_at(%[x],%[s])", "26", "4", "5")
      TRINE_ADD_INPUTS("vpdpbusd", "4*trine_at+%c[low](%[x],%[s])", "27", "6", "7")
      TRINE_ADD_INPUTS("vpdpbusd", "4*trine_at(%[x],%[s],2)", "24", "8", "9")
      TRINE_ADD_INPUTS("vpdpbusd", "4*trine_at+%c[low](%[x],%[s],2)", "25", "10", "11")
      TRINE_ADD_INPUTS("vpdpbusd", "4*trine_at(%[x],%[s3])", "26", "12", "13")
      TRINE_ADD_INPUTS("vpdpbusd", "4*trine_at+%c[low](%[x],%[s3])", "27", "14", "15")
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

/// Adds the run's groups to the outputs of four tokens of one batch.
template <int kChunks>
TRINE_INLINE_AVX512 void multiply_four(const Panel& panel, const Run& run,
                                       const TokenInput* tokens, OutputTile* outputs) noexcept {
  constexpr std::size_t kGroupBytes = 2 * kChunks * kChunkInputs;
  TileGroup group{.codes = panel.codes[0],
                  .metadata = panel.scales[0][0],
                  .digits = tokens[0].digits + run.first_group * kGroupBytes,
                  .scales = tokens[0].scales + run.first_group,
                  .sums = tokens[0].sums + run.first_group,
                  .stride = static_cast<std::size_t>(tokens[1].digits - tokens[0].digits),
                  .outputs = outputs};
  for (std::size_t i = 0; i < run.num_groups; ++i) {
    fetch_next_tile<4, kGroupBytes, Cache::kSecond>(group.digits, group.stride);
    add_group_of_four<kChunks>(group);
    group.codes += kChunks * kChunkInputs * kBlockRows;
    group.metadata += kBlockRows;
    group.digits += kGroupBytes;
    ++group.scales;
    ++group.sums;
  }
}
