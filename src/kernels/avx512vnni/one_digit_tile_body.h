// A full tile of eight tokens of one digit times two unpacked row blocks, a whole run in assembly. Numbers
// are those of multiply_tile(). Included after many_tokens_body.h.
//
// With one digit, every sixteen vpdpbusd are followed by a sum to be scaled, and multiplications share
// two ports. A scale of an input is one of eight steps times a power of two (one_digit_scale), so the
// products of both scales stand in a table, and the power is added to the exponent: an addition, which runs
// beside vpdpbusd. 256 of 288 operations on those ports are vpdpbusd then, instead of 256 of 304.
// Outputs of six tokens stay in registers, because a 64-byte store costs as much as a multiplication or
// two; the other two tokens' are in memory. Alone, a tile runs at 87 % of the peak rate, was 82.

// Registers beside those in tile_body.h: 16 to 27 outputs of six tokens; when a group is scaled, 28 has the
// scale of its inputs, 29 the product of both scales, 30 and 31 the zeros.
static_assert(kScaleStepBit - 6 == 14 && (kNumScaleSteps - 1) << 6 == 0x1C0 &&
              kLineBytes == 64);
// clang-format off
/// Where in a table of lines a token's scale has its products: its step is in bits 20 to 22.
#define TRINE_FIND_PRODUCTS(SCALE)                     \
  "movl " SCALE ", %%eax\n"                            \
  "shrl $14, %%eax\n"                                  \
  "andl $0x1C0, %%eax\n"                               \
  "vpbroadcastd " SCALE ", %%zmm28\n"

/// add_scaled() but for its last addition.
#define TRINE_CENTRE(SUM, INPUT_SUM, TABLE, ZEROS, PRESENT)                                   \
  "vcvtdq2ps %%zmm" SUM ", %%zmm" SUM "\n"                                                    \
  "vpaddd " TABLE "(%[table],%%rax), %%zmm28, %%zmm29%{%%" PRESENT "%}%{z%}\n"                \
  "vfnmadd231ps " INPUT_SUM "%{1to16%}, %%zmm" ZEROS ", %%zmm" SUM "\n"
#define TRINE_CENTRE_FIRST(SUM, INPUT_SUM) TRINE_CENTRE(SUM, INPUT_SUM, "", "30", "k1")
#define TRINE_CENTRE_SECOND(SUM, INPUT_SUM) \
  TRINE_CENTRE(SUM, INPUT_SUM, "%c[block_table]", "31", "k2")

/// A token's outputs of both row blocks, kept in registers.
#define TRINE_SCALE_KEPT(SCALE, INPUT_SUM, FIRST, SECOND, FIRST_OUTPUT, SECOND_OUTPUT) \
  TRINE_FIND_PRODUCTS(SCALE)                                                           \
  TRINE_CENTRE_FIRST(FIRST, INPUT_SUM)                                                 \
  "vfmadd231ps %%zmm" FIRST ", %%zmm29, %%zmm" FIRST_OUTPUT "\n"                       \
  TRINE_CENTRE_SECOND(SECOND, INPUT_SUM)                                               \
  "vfmadd231ps %%zmm" SECOND ", %%zmm29, %%zmm" SECOND_OUTPUT "\n"

/// The same, kept in memory.
#define TRINE_SCALE_STORED(SCALE, INPUT_SUM, FIRST, SECOND, OUTPUT)   \
  TRINE_FIND_PRODUCTS(SCALE)                                          \
  TRINE_CENTRE_FIRST(FIRST, INPUT_SUM)                                \
  "vfmadd213ps " OUTPUT "(%[out]), %%zmm29, %%zmm" FIRST "\n"         \
  "vmovaps %%zmm" FIRST ", " OUTPUT "(%[out])\n"                      \
  TRINE_CENTRE_SECOND(SECOND, INPUT_SUM)                              \
  "vfmadd213ps " OUTPUT "+64(%[out]), %%zmm29, %%zmm" SECOND "\n"     \
  "vmovaps %%zmm" SECOND ", " OUTPUT "+64(%[out])\n"

#define TRINE_EACH_KEPT(DO)                                                        \
  DO("0", "16") DO("1", "17") DO("2", "18") DO("3", "19") DO("4", "20") DO("5", "21") \
  DO("6", "22") DO("7", "23") DO("8", "24") DO("9", "25") DO("10", "26") DO("11", "27")
#define TRINE_LOAD_KEPT(LINE, OUTPUT) "vmovaps 64*" LINE "(%[out]), %%zmm" OUTPUT "\n"
#define TRINE_STORE_KEPT(LINE, OUTPUT) "vmovaps %%zmm" OUTPUT ", 64*" LINE "(%[out])\n"

#define TRINE_FETCH(TOKEN) "prefetcht1 64*trine_at" TOKEN "\n"
#define TRINE_FETCH_EIGHT                                                                  \
  ".set trine_at, 0\n"                                                                     \
  ".rept %c[lines]\n"                                                                      \
  TRINE_FETCH(TRINE_TOKEN_0("next")) TRINE_FETCH(TRINE_TOKEN_1("next"))                    \
  TRINE_FETCH(TRINE_TOKEN_2("next")) TRINE_FETCH(TRINE_TOKEN_3("next"))                    \
  TRINE_FETCH(TRINE_TOKEN_4("next")) TRINE_FETCH(TRINE_TOKEN_5("next"))                    \
  TRINE_FETCH(TRINE_TOKEN_6("next")) TRINE_FETCH(TRINE_TOKEN_7("next"))                    \
  TRINE_END_OPERANDS

/// Adds the run's groups to the outputs of eight tokens of one batch; meanwhile the next eight tokens' digits
/// are asked for, where there are any.
template <int kChunks>
TRINE_INLINE_AVX512 void multiply_eight(const Panel& panel, const Run& run,
                                        const TokenInput* tokens, OutputTile* outputs) noexcept {
  constexpr std::size_t kGroupSize = kChunks * kChunkInputs;
  const auto stride = static_cast<std::size_t>(tokens[1].digits - tokens[0].digits);
  const std::uint8_t* codes = panel.codes[0];
  const ScaleTable* table = panel.tables[0];
  const std::uint8_t* digits = tokens[0].digits + run.first_group * kGroupSize;
  const std::uint8_t* next = digits + 8 * stride;
  const float *scales = tokens[0].scales + run.first_group,
              *sums = tokens[0].sums + run.first_group;
  std::size_t groups_left = run.num_groups;
  asm volatile(
      TRINE_EACH_KEPT(TRINE_LOAD_KEPT)
      "1:\n"
      TRINE_FETCH_EIGHT
      TRINE_CLEAR_SUMS
      TRINE_BEGIN_OPERANDS
      TRINE_ADD_EIGHT("vpdpbusd")
      TRINE_END_OPERANDS
      "vmovaps %c[zeros](%[table]), %%zmm30\n"
      "vmovaps %c[zeros]+%c[block_table](%[table]), %%zmm31\n"
      "kmovw %c[present](%[table]), %%k1\n"
      "kmovw %c[present]+%c[block_table](%[table]), %%k2\n"
      TRINE_SCALE_KEPT(TRINE_TOKEN_0("xs"), TRINE_TOKEN_0("xt"), "0", "1", "16", "17")
      TRINE_SCALE_KEPT(TRINE_TOKEN_1("xs"), TRINE_TOKEN_1("xt"), "2", "3", "18", "19")
      TRINE_SCALE_KEPT(TRINE_TOKEN_2("xs"), TRINE_TOKEN_2("xt"), "4", "5", "20", "21")
      TRINE_SCALE_KEPT(TRINE_TOKEN_3("xs"), TRINE_TOKEN_3("xt"), "6", "7", "22", "23")
      TRINE_SCALE_KEPT(TRINE_TOKEN_4("xs"), TRINE_TOKEN_4("xt"), "8", "9", "24", "25")
      TRINE_SCALE_KEPT(TRINE_TOKEN_5("xs"), TRINE_TOKEN_5("xt"), "10", "11", "26", "27")
      TRINE_SCALE_STORED(TRINE_TOKEN_6("xs"), TRINE_TOKEN_6("xt"), "12", "13", "6*128")
      TRINE_SCALE_STORED(TRINE_TOKEN_7("xs"), TRINE_TOKEN_7("xt"), "14", "15", "7*128")
      "addq %[group_digits], %[x]\n"
      "addq %[group_digits], %[next]\n"
      "addq %[group_codes], %[codes]\n"
      "addq %[group_table], %[table]\n"
      "addq $4, %[xs]\n"
      "addq $4, %[xt]\n"
      "decq %[left]\n"
      "jnz 1b\n"
      TRINE_EACH_KEPT(TRINE_STORE_KEPT)
      : [codes] "+r"(codes), [table] "+r"(table), [x] "+r"(digits), [next] "+r"(next),
        [xs] "+r"(scales), [xt] "+r"(sums), [left] "+r"(groups_left)
      : [out] "r"(outputs), TRINE_TOKEN_STRIDES(stride), [operands] "i"(8 * kChunks),
        [group_digits] "i"(kGroupSize), [group_codes] "i"(kGroupSize * kBlockRows),
        [lines] "i"((kGroupSize + kLineBytes - 1) / kLineBytes),
        [group_table] "i"(sizeof(ScaleTable)), [zeros] "i"(offsetof(ScaleTable, zeros)),
        [present] "i"(offsetof(ScaleTable, is_present)),
        [block_codes] "i"(sizeof(Panel::codes) / kPanelBlocks),
        [block_table] "i"(sizeof(Panel::tables) / kPanelBlocks)
      : TRINE_TILE_CLOBBERS, "rax", "k1", "k2", "cc");
}
// clang-format on
