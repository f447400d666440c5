// Several tokens of bf16 times two row blocks: codes of some thousand inputs are unpacked once, as
// bf16, then multiplied by tile after tile of eight tokens. The sums of a tile fill sixteen registers,
// so a broadcast pair of inputs feeds two multiplications and a line of codes eight. No input has a
// scale, so at groups of 64 32 of 34 operations on the multiplier's ports are vdpbf16ps (94 %).
// Included after bf16_codes_body.h and tile_body.h.

/// Inputs unpacked at a time: 64 kB of codes for two row blocks.
constexpr std::size_t kRunInputs = 1024;

/// Some groups of kPanelBlocks row blocks, unpacked.
struct Panel {
  static constexpr std::size_t kMostGroups = kRunInputs / kChunkInputs;
  alignas(kLineBytes) std::uint16_t codes[kPanelBlocks][kRunInputs * kBlockRows];
  alignas(kLineBytes) float scales[kPanelBlocks][kMostGroups][kBlockRows];
  alignas(kLineBytes) float zeros[kPanelBlocks][kMostGroups][kBlockRows];
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
/// One token's outputs of both row blocks: add_group_sum().
#define TRINE_SCALE_TOKEN(FIRST, SECOND, INPUT_SUM, OUTPUT, X)                     \
  "vbroadcastss " INPUT_SUM ", %%zmm" X "\n"                                       \
  "vfnmadd231ps %%zmm" X ", %%zmm18, %%zmm" FIRST "\n"                             \
  "vfnmadd231ps %%zmm" X ", %%zmm19, %%zmm" SECOND "\n"                            \
  "vfmadd213ps " OUTPUT "(%[out]), %%zmm16, %%zmm" FIRST "\n"                      \
  "vfmadd213ps " OUTPUT "+64(%[out]), %%zmm17, %%zmm" SECOND "\n"                  \
  "vmovaps %%zmm" FIRST ", " OUTPUT "(%[out])\n"                                   \
  "vmovaps %%zmm" SECOND ", " OUTPUT "+64(%[out])\n"

/// Adds one group to the outputs of eight tokens.
template <int kChunks>
TRINE_INLINE_AVX512 void add_group_of_eight(const std::uint16_t* codes, const float* metadata,
                                            const TileInputs& tokens,
                                            OutputTile* outputs) noexcept {
  asm volatile(
      TRINE_CLEAR_SUMS
      TRINE_BEGIN_OPERANDS
      TRINE_ADD_EIGHT("vdpbf16ps")
      TRINE_END_OPERANDS
      TRINE_LOAD_METADATA
      TRINE_SCALE_TOKEN("0", "1", TRINE_TOKEN_0("xt"), "0*128", "24")
      TRINE_SCALE_TOKEN("2", "3", TRINE_TOKEN_1("xt"), "1*128", "25")
      TRINE_SCALE_TOKEN("4", "5", TRINE_TOKEN_2("xt"), "2*128", "26")
      TRINE_SCALE_TOKEN("6", "7", TRINE_TOKEN_3("xt"), "3*128", "27")
      TRINE_SCALE_TOKEN("8", "9", TRINE_TOKEN_4("xt"), "4*128", "24")
      TRINE_SCALE_TOKEN("10", "11", TRINE_TOKEN_5("xt"), "5*128", "25")
      TRINE_SCALE_TOKEN("12", "13", TRINE_TOKEN_6("xt"), "6*128", "26")
      TRINE_SCALE_TOKEN("14", "15", TRINE_TOKEN_7("xt"), "7*128", "27")
      :
      : [codes] "r"(codes), [meta] "r"(metadata), [out] "r"(outputs), [x] "r"(tokens.values),
        [xt] "r"(tokens.sums), TRINE_TOKEN_STRIDES(tokens.stride), [operands] "i"(16 * kChunks),
        [block_codes] "i"(sizeof(Panel::codes) / kPanelBlocks),
        [block_meta] "i"(sizeof(Panel::scales) / kPanelBlocks)
      : TRINE_TILE_CLOBBERS);
}
// clang-format on

/// multiply_tile() of eight tokens from a full panel, number by number.
template <int kChunks>
TRINE_TARGET_AVX512 void multiply_full_tile(const Panel& panel, const Run& run,
                                            TileInputs tokens, OutputTile* outputs) noexcept {
  constexpr std::size_t kGroupSize = kChunks * kChunkInputs;
  static_assert(fits_assembly<Panel>());
  for (std::size_t i = 0; i < run.num_groups; ++i) {
    fetch_next(run, i);
    fetch_next_tile<8, kGroupSize * sizeof(std::uint16_t), Cache::kFirst>(tokens.values,
                                                                          tokens.stride);
    add_group_of_eight<kChunks>(panel.codes[0] + i * kGroupSize * kBlockRows,
                                panel.scales[0][i], tokens, outputs);
    tokens.values += kGroupSize * sizeof(std::uint16_t);
    tokens.sums += sizeof(float);
  }
}
