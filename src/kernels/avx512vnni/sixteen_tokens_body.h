// Sixteen tokens of one digit times one row block, from codes as they are stored. The sums of a group fill half of
// the registers and no other register holds a digit: vpdpbusd takes it from memory. Two tiles of eight tokens unpacked
// everything twice and had no registers left for it: 73 → 79 % of the peak rate.
// Included after many_tokens_body.h.

/// Bytes from the first token's digits to others'; scales and sums of groups lie as far apart.
struct TokenStrides {
  std::size_t one, three, five, seven;
};

/// More than eight tokens' digits: what the assembly may read, so that nothing is written there meanwhile.
inline constexpr std::size_t kAnyBytes = std::size_t{1} << 30;

// clang-format off
#define TRINE_DOT(AT, SUM) "vpdpbusd %c[at]" AT "%{1to16%}, %[codes], %[" SUM "]\n"

/// Adds one operand times four digits, kAt bytes from `digits` on, of each of eight tokens.
template <std::size_t kAt>
TRINE_INLINE_AVX512 void add_to_eight(__m512i* sums, __m512i codes, const std::uint8_t* digits,
                                      const TokenStrides& strides) noexcept {
  asm(TRINE_DOT("(%[x])", "s0")          TRINE_DOT("(%[x],%[one])", "s1")
      TRINE_DOT("(%[x],%[one],2)", "s2") TRINE_DOT("(%[x],%[three])", "s3")
      TRINE_DOT("(%[x],%[one],4)", "s4") TRINE_DOT("(%[x],%[five])", "s5")
      TRINE_DOT("(%[x],%[three],2)", "s6") TRINE_DOT("(%[x],%[seven])", "s7")
      : [s0] "+v"(sums[0]), [s1] "+v"(sums[1]), [s2] "+v"(sums[2]), [s3] "+v"(sums[3]),
        [s4] "+v"(sums[4]), [s5] "+v"(sums[5]), [s6] "+v"(sums[6]), [s7] "+v"(sums[7])
      : [codes] "v"(codes), [x] "r"(digits), [one] "r"(strides.one), [three] "r"(strides.three),
        [five] "r"(strides.five), [seven] "r"(strides.seven), [at] "i"(kAt),
        "m"(*reinterpret_cast<const std::uint8_t(*)[kAnyBytes]>(digits)));
}
// clang-format on

inline constexpr std::size_t kSixteen = 16;

/// The operands of a chunk from kIndex on.
template <int kBits, std::size_t kIndex>
TRINE_INLINE_AVX512 void add_operands(const std::uint8_t* lines, const std::uint8_t* digits,
                                      const TokenStrides& strides,
                                      __m512i (&sums)[kSixteen]) noexcept {
  const __m512i codes = unplaced<kBits>(lines, kIndex);
  add_to_eight<4 * kIndex>(sums, codes, digits, strides);
  add_to_eight<4 * kIndex>(sums + 8, codes, digits + 8 * strides.one, strides);
  if constexpr (kIndex < 7) add_operands<kBits, kIndex + 1>(lines, digits, strides, sums);
}

/// Sixteen tokens of one batch, which lie `stride` bytes apart.
struct Sixteen {
  TokenInput first;
  std::size_t stride;
  OutputTile* outputs;
};

/// Adds the run's groups of one row block to the outputs, those of `block` in a panel.
template <int kBits, bool kIsWide>
TRINE_TARGET_AVX512 void multiply_sixteen(const std::uint8_t* row_block,
                                          const PackedLayout& layout, const Run& run,
                                          const Sixteen& tokens, std::size_t block) noexcept {
  const std::size_t stride = tokens.stride;
  const TokenInput first = tokens.first;
  OutputTile* const outputs = tokens.outputs;
  const std::uint8_t* digits = first.digits + run.first_group * run.group_size;
  const TokenStrides strides{stride, 3 * stride, 5 * stride, 7 * stride};
  const std::size_t apart = stride / sizeof(float);
  __m512 so_far[kSixteen];
#pragma GCC unroll 16
  for (std::size_t t = 0; t < kSixteen; ++t) {
    const float* output = outputs[t].of + block * kBlockRows;
    so_far[t] = run.first_group == 0 ? _mm512_setzero_ps() : _mm512_load_ps(output);
  }
  Metadata rows{};
  if constexpr (!kIsWide) rows = load_halves(row_block);
  for (std::size_t i = 0; i < run.num_groups; ++i) {
    fetch_next(run, i);
    const std::size_t group = run.first_group + i;
    const std::uint8_t* lines = row_block + layout.codes_offset(group);
    __m512i sums[kSixteen];
#pragma GCC unroll 16
    for (auto& sum : sums) sum = _mm512_setzero_si512();
    for (std::size_t at = 0; at < run.group_size; at += kChunkInputs) {
      add_operands<kBits, 0>(lines, digits, strides, sums);
      lines += kBits * kLineBytes;
      digits += kChunkInputs;
    }
    const Metadata metadata = load_metadata<kIsWide>(row_block + layout.metadata_offset(group),
                                                     rows, middle_code(kBits));
#pragma GCC unroll 16
    for (std::size_t t = 0; t < kSixteen; ++t) {
      const __m512 scale = in_every_lane(first.scales + group + t * apart);
      const __m512 input_sum = in_every_lane(first.sums + group + t * apart);
      so_far[t] = add_scaled(sums[t], metadata, scale, input_sum, so_far[t]);
    }
  }
#pragma GCC unroll 16
  for (std::size_t t = 0; t < kSixteen; ++t) {
    _mm512_store_ps(outputs[t].of + block * kBlockRows, so_far[t]);
  }
}
