// Several tokens of bf16 times two row blocks: codes of some thousand inputs are unpacked once, as
// bf16, then multiplied by tile after tile of eight tokens. The sums of a tile fill sixteen registers,
// so a broadcast pair of inputs feeds two multiplications and a line of codes eight. No input has a
// scale, so at groups of 64 32 of 34 operations on the multiplier's ports are vdpbf16ps (94 %).
// Included after bf16_codes_body.h.

/// Inputs unpacked at a time: 64 kB of codes for two row blocks.
constexpr std::size_t kRunInputs = 1024;
constexpr std::size_t kMostRunGroups = kRunInputs / kChunkInputs;
constexpr std::size_t kPanelBlocks = 2;

/// Some groups of kPanelBlocks row blocks, ready to be multiplied.
struct Panel {
  alignas(kLineBytes) std::uint16_t codes[kPanelBlocks][kRunInputs * kBlockRows];
  alignas(kLineBytes) float scales[kPanelBlocks][kMostRunGroups][kBlockRows];
  alignas(kLineBytes) float zeros[kPanelBlocks][kMostRunGroups][kBlockRows];
};

/// Which groups the panel holds, and what to ask for meanwhile.
struct Run {
  std::size_t first_group, num_groups, group_size;
  const std::uint8_t* next;  ///< packed bytes of the next run in the first row block, or null
  std::size_t next_apart;    ///< from there to those of the second row block
  std::size_t bytes_per_group;
};

/// Asks for a group of the next run, into the L2 cache. All of it at once would wait for memory.
TRINE_INLINE_AVX512 void fetch_next(const Run& run, std::size_t index) noexcept {
  if (run.next == nullptr) return;
  for (std::size_t line = 0; line < run.bytes_per_group; line += kLineBytes) {
    const std::uint8_t* at = run.next + index * run.bytes_per_group + line;
    _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T1);
    _mm_prefetch(reinterpret_cast<const char*>(at + run.next_apart), _MM_HINT_T1);
  }
}

/// Outputs of one token under way.
struct OutputTile {
  alignas(kLineBytes) float of[kPanelBlocks * kBlockRows];
};

/// Inputs of the first of some tokens, from the run's first group on; tokens are `stride` bytes apart.
struct TileInputs {
  const std::uint8_t* values;
  const std::uint8_t* sums;
  std::size_t stride;
};

template <int kBits, bool kIsWide>
TRINE_TARGET_AVX512 void unpack_run(const std::uint8_t* row_block, const PackedLayout& layout,
                                    const Run& run, Panel& panel, std::size_t block) noexcept {
  Metadata rows{};
  if constexpr (!kIsWide) rows = load_halves(row_block);
  std::uint16_t* target = panel.codes[block];
  for (std::size_t i = 0; i < run.num_groups; ++i) {
    const std::size_t group = run.first_group + i;
    const std::uint8_t* lines = row_block + layout.codes_offset(group);
    for (std::size_t chunk = 0; chunk < layout.num_chunks_per_group(); ++chunk) {
#pragma GCC unroll 16
      for (std::size_t j = 0; j < 16; ++j, target += 2 * kBlockRows) {
        _mm512_store_si512(target, bf16_pair<kBits>(lines, j / 2, j % 2));
      }
      lines += kBits * kLineBytes;
    }
    const Metadata metadata =
        load_bf16_metadata<kBits, kIsWide>(row_block + layout.metadata_offset(group), rows);
    _mm512_store_ps(panel.scales[block][i], metadata.scales);
    _mm512_store_ps(panel.zeros[block][i], metadata.zeros);
  }
}

/// Adds the run's groups to the outputs of kTokens tokens.
template <int kTokens, int kBlocks>
TRINE_TARGET_AVX512 void multiply_tile(const Panel& panel, const Run& run,
                                       const TileInputs& tokens, OutputTile* outputs) noexcept {
  const std::uint8_t* values = tokens.values;
  const std::uint16_t* codes = panel.codes[0];
  for (std::size_t i = 0; i < run.num_groups; ++i) {
    fetch_next(run, i);
    __m512 sums[kBlocks][kTokens];
    for (auto& block : sums) {
      for (__m512& sum : block) sum = _mm512_setzero_ps();
    }
    for (std::size_t pair = 0; pair < run.group_size / 2; ++pair, values += 4) {
      __m512i q[kBlocks];
#pragma GCC unroll 2
      for (std::size_t block = 0; block < kBlocks; ++block) {
        q[block] = _mm512_load_si512(codes + block * kRunInputs * kBlockRows);
      }
      codes += 2 * kBlockRows;
#pragma GCC unroll 8
      for (std::size_t t = 0; t < kTokens; ++t) {
        const __m512i x = two_inputs(values + t * tokens.stride);
#pragma GCC unroll 2
        for (std::size_t block = 0; block < kBlocks; ++block) {
          sums[block][t] = add_pairs(sums[block][t], q[block], x);
        }
      }
    }
#pragma GCC unroll 8
    for (std::size_t t = 0; t < kTokens; ++t) {
      float input_sum = 0.0f;
      std::memcpy(&input_sum, tokens.sums + t * tokens.stride + i * sizeof(float),
                  sizeof(float));
#pragma GCC unroll 2
      for (std::size_t block = 0; block < kBlocks; ++block) {
        const Metadata metadata{_mm512_load_ps(panel.scales[block][i]),
                                _mm512_load_ps(panel.zeros[block][i])};
        float* output = outputs[t].of + block * kBlockRows;
        _mm512_store_ps(
            output, add_group_sum(sums[block][t], metadata, input_sum, _mm512_load_ps(output)));
      }
    }
  }
}

// clang-format off
/// One token's pair of inputs: a broadcast feeds the sums of both row blocks.
#define TRINE_ADD_PAIR(AT, X, FIRST, SECOND)            \
  "vpbroadcastd " AT ", %%zmm" X "\n"                   \
  "vdpbf16ps %%zmm" X ", %%zmm30, %%zmm" FIRST "\n"     \
  "vdpbf16ps %%zmm" X ", %%zmm31, %%zmm" SECOND "\n"

/// One token's outputs of both row blocks: add_group_sum().
#define TRINE_SCALE_TOKEN(FIRST, SECOND, INPUT_SUM, OUTPUT, X)                     \
  "vbroadcastss " INPUT_SUM ", %%zmm" X "\n"                                       \
  "vfnmadd231ps %%zmm" X ", %%zmm18, %%zmm" FIRST "\n"                             \
  "vfnmadd231ps %%zmm" X ", %%zmm19, %%zmm" SECOND "\n"                            \
  "vfmadd213ps " OUTPUT "(%[out]), %%zmm16, %%zmm" FIRST "\n"                      \
  "vfmadd213ps " OUTPUT "+64(%[out]), %%zmm17, %%zmm" SECOND "\n"                  \
  "vmovaps %%zmm" FIRST ", " OUTPUT "(%[out])\n"                                   \
  "vmovaps %%zmm" SECOND ", " OUTPUT "+64(%[out])\n"

#define TRINE_CLEAR(N) "vpxord %%zmm" N ", %%zmm" N ", %%zmm" N "\n"

/// Adds one group to the outputs of eight tokens. Registers: 0 to 15 sums, 16 to 19 scales and zeros,
/// 24 to 27 inputs, 30 and 31 codes. The assembler repeats what is between .rept and .endr, so that
/// a group is one stretch without a jump; trine_at counts its pairs.
template <int kChunks>
TRINE_INLINE_AVX512 void add_group_of_eight(const std::uint16_t* codes, const float* metadata,
                                            const TileInputs& tokens,
                                            OutputTile* outputs) noexcept {
  const std::size_t stride = tokens.stride;
  asm volatile(
      TRINE_CLEAR("0") TRINE_CLEAR("1") TRINE_CLEAR("2") TRINE_CLEAR("3")
      TRINE_CLEAR("4") TRINE_CLEAR("5") TRINE_CLEAR("6") TRINE_CLEAR("7")
      TRINE_CLEAR("8") TRINE_CLEAR("9") TRINE_CLEAR("10") TRINE_CLEAR("11")
      TRINE_CLEAR("12") TRINE_CLEAR("13") TRINE_CLEAR("14") TRINE_CLEAR("15")
      ".set trine_at, 0\n"
      ".rept %c[pairs]\n"
      "vmovdqa64 64*trine_at(%[codes]), %%zmm30\n"
      "vmovdqa64 64*trine_at+%c[block_codes](%[codes]), %%zmm31\n"
      TRINE_ADD_PAIR("4*trine_at(%[x])", "24", "0", "1")
      TRINE_ADD_PAIR("4*trine_at(%[x],%[s])", "25", "2", "3")
      TRINE_ADD_PAIR("4*trine_at(%[x],%[s],2)", "26", "4", "5")
      TRINE_ADD_PAIR("4*trine_at(%[x],%[s3])", "27", "6", "7")
      TRINE_ADD_PAIR("4*trine_at(%[x4])", "24", "8", "9")
      TRINE_ADD_PAIR("4*trine_at(%[x4],%[s])", "25", "10", "11")
      TRINE_ADD_PAIR("4*trine_at(%[x4],%[s],2)", "26", "12", "13")
      TRINE_ADD_PAIR("4*trine_at(%[x4],%[s3])", "27", "14", "15")
      ".set trine_at, trine_at + 1\n"
      ".endr\n"
      "vmovaps (%[meta]), %%zmm16\n"
      "vmovaps %c[block_meta](%[meta]), %%zmm17\n"
      "vmovaps 2*%c[block_meta](%[meta]), %%zmm18\n"
      "vmovaps 3*%c[block_meta](%[meta]), %%zmm19\n"
      TRINE_SCALE_TOKEN("0", "1", "(%[xt])", "0*128", "24")
      TRINE_SCALE_TOKEN("2", "3", "(%[xt],%[s])", "1*128", "25")
      TRINE_SCALE_TOKEN("4", "5", "(%[xt],%[s],2)", "2*128", "26")
      TRINE_SCALE_TOKEN("6", "7", "(%[xt],%[s3])", "3*128", "27")
      TRINE_SCALE_TOKEN("8", "9", "(%[xt4])", "4*128", "24")
      TRINE_SCALE_TOKEN("10", "11", "(%[xt4],%[s])", "5*128", "25")
      TRINE_SCALE_TOKEN("12", "13", "(%[xt4],%[s],2)", "6*128", "26")
      TRINE_SCALE_TOKEN("14", "15", "(%[xt4],%[s3])", "7*128", "27")
      :
      : [codes] "r"(codes), [meta] "r"(metadata), [out] "r"(outputs), [x] "r"(tokens.values),
        [x4] "r"(tokens.values + 4 * stride), [s] "r"(stride), [s3] "r"(3 * stride),
        [xt] "r"(tokens.sums), [xt4] "r"(tokens.sums + 4 * stride), [pairs] "i"(16 * kChunks),
        [block_codes] "i"(sizeof(Panel::codes) / kPanelBlocks),
        [block_meta] "i"(sizeof(Panel::scales) / kPanelBlocks)
      : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
        "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "xmm16", "xmm17", "xmm18", "xmm19", "xmm24",
        "xmm25", "xmm26", "xmm27", "xmm30", "xmm31", "memory");
}
// clang-format on

/// Asks for a group of the next eight tokens; where there are none, nothing happens. Of 512 tokens with
/// 14336 inputs, 15 MB, most are in the third cache: 82.9 → 84.8 % of the peak.
template <std::size_t kGroupSize>
TRINE_INLINE_AVX512 void fetch_next_eight(const TileInputs& tokens) noexcept {
  for (std::size_t t = 8; t < 16; ++t) {
    for (std::size_t at = 0; at < kGroupSize * sizeof(std::uint16_t); at += kLineBytes) {
      const std::uint8_t* line = tokens.values + t * tokens.stride + at;
      _mm_prefetch(reinterpret_cast<const char*>(line), _MM_HINT_T0);
    }
  }
}

/// multiply_tile() of eight tokens from a full panel, number by number.
template <int kChunks>
TRINE_TARGET_AVX512 void multiply_full_tile(const Panel& panel, const Run& run,
                                            TileInputs tokens, OutputTile* outputs) noexcept {
  constexpr std::size_t kGroupSize = kChunks * kChunkInputs;
  static_assert(sizeof(OutputTile) == 128 && kPanelBlocks == 2, "as the assembly has it");
  static_assert(offsetof(Panel, zeros) == offsetof(Panel, scales) + sizeof(Panel::scales));
  for (std::size_t i = 0; i < run.num_groups; ++i) {
    fetch_next(run, i);
    fetch_next_eight<kGroupSize>(tokens);
    add_group_of_eight<kChunks>(panel.codes[0] + i * kGroupSize * kBlockRows,
                                panel.scales[0][i], tokens, outputs);
    tokens.values += kGroupSize * sizeof(std::uint16_t);
    tokens.sums += sizeof(float);
  }
}
