// Packed weights times several tokens' digits with VNNI: codes of two row blocks and some thousand
// inputs are unpacked once, a byte each, then multiplied by tile after tile of tokens. The sums of
// a tile fill sixteen registers, so a broadcast digit feeds two multiplications and a line of codes
// eight. The first tile unpacks what it multiplies: masks and shifts run beside vpdpbusd, while on
// their own they took a twelfth of the time at sixteen tokens. Included after one_token_body.h and
// tile_body.h.
//
// Of the operations on the multiplier's ports at groups of 64, 256 of 288 are vpdpbusd with one digit (89 %
// of the peak rate at best), with two digits 256 of 280 (91 %): the rest scales the sums.

/// Inputs unpacked at a time: 64 kB of codes for two row blocks. 1024 and 2048 are alike on one core and
/// better than fewer, on two cores 2048 is better.
constexpr std::size_t kRunInputs = 2048;

/// Scales of one group of a row block, times each step a scale of inputs may be: as integers, less the bits
/// of that step between 1 and 2, so that adding the bits of an input's scale makes the product of both.
struct ScaleTable {
  alignas(kLineBytes) std::int32_t products[kNumScaleSteps][kBlockRows];
  float zeros[kBlockRows];
  /// Where a scale is not 0: adding to the bits of 0 would make a number.
  std::uint16_t is_present;
};

TRINE_INLINE_AVX512 void fill(ScaleTable& table, const Metadata& metadata) noexcept {
  constexpr std::int32_t kOne = 127 << 23, kStep = 1 << kScaleStepBit;
  for (std::int32_t step = 0; step < static_cast<std::int32_t>(kNumScaleSteps); ++step) {
    const __m512i factor = _mm512_set1_epi32(kOne + step * kStep);
    const __m512 product = _mm512_mul_ps(metadata.scales, _mm512_castsi512_ps(factor));
    _mm512_store_si512(table.products[step],
                       _mm512_sub_epi32(_mm512_castps_si512(product), factor));
  }
  _mm512_store_ps(table.zeros, metadata.zeros);
  table.is_present = _mm512_cmp_ps_mask(metadata.scales, _mm512_setzero_ps(), _CMP_NEQ_UQ);
}

/// Some groups of kPanelBlocks row blocks, unpacked; tables for one digit alone.
struct Panel {
  static constexpr std::size_t kMostGroups = kRunInputs / kChunkInputs;
  alignas(kLineBytes) std::uint8_t codes[kPanelBlocks][kRunInputs * kBlockRows];
  alignas(kLineBytes) float scales[kPanelBlocks][kMostGroups][kBlockRows];
  alignas(kLineBytes) float zeros[kPanelBlocks][kMostGroups][kBlockRows];
  ScaleTable tables[kPanelBlocks][kMostGroups];
};

/// @param index of the group in the panel
template <int kDigits>
TRINE_INLINE_AVX512 void keep(Panel& panel, std::size_t block, std::size_t index,
                              const Metadata& metadata) noexcept {
  _mm512_store_ps(panel.scales[block][index], metadata.scales);
  _mm512_store_ps(panel.zeros[block][index], metadata.zeros);
  if constexpr (kDigits == 1) fill(panel.tables[block][index], metadata);
}

template <int kBits, bool kIsWide, int kDigits>
TRINE_TARGET_AVX512 void unpack_run(const std::uint8_t* row_block, const PackedLayout& layout,
                                    const Run& run, Panel& panel, std::size_t block) noexcept {
  Metadata rows{};
  if constexpr (!kIsWide) rows = load_halves(row_block);
  std::uint8_t* target = panel.codes[block];
  for (std::size_t i = 0; i < run.num_groups; ++i) {
    const std::size_t group = run.first_group + i;
    const std::uint8_t* lines = row_block + layout.codes_offset(group);
    for (std::size_t chunk = 0; chunk < layout.num_chunks_per_group(); ++chunk) {
      __m512i q[8];
      unpack<kBits>(lines + chunk * kBits * kLineBytes, q);
      for (std::size_t j = 0; j < 8; ++j, target += kLineBytes)
        _mm512_store_si512(target, q[j]);
    }
    const Metadata metadata = load_metadata<kIsWide>(row_block + layout.metadata_offset(group),
                                                     rows, middle_code(kBits));
    keep<kDigits>(panel, block, i, metadata);
  }
}

/// The bit at which placed() leaves an operand.
template <int kBits>
constexpr unsigned place_of(std::size_t index) noexcept {
  const bool is_odd = index % 2 == 1;
  if (kBits == 2) return static_cast<unsigned>(2 * (index % 4));
  if (kBits == 3) return index == 6 ? 4 : index == 7 ? 5 : is_odd ? 3 : 0;
  return kBits == 4 && is_odd ? 4 : 0;
}

/// Operand `index` of a chunk, its codes at bit 0.
template <int kBits>
TRINE_INLINE_AVX512 __m512i unplaced(const std::uint8_t* lines, std::size_t index) noexcept {
  return _mm512_srli_epi16(placed<kBits>(lines, index), place_of<kBits>(index));
}

/// Codes, scales and zeros from the panel, filled before.
struct FromPanel {
  const Panel& panel;

  TRINE_INLINE_AVX512 void enter_group(std::size_t /*index*/) noexcept {}

  /// @param at of the operand in the panel
  TRINE_INLINE_AVX512 __m512i operand(std::size_t block, std::size_t /*chunk*/,
                                      std::size_t /*index*/, std::size_t at) const noexcept {
    return load(panel.codes[block] + at);
  }

  TRINE_INLINE_AVX512 Metadata metadata(std::size_t block, std::size_t index) const noexcept {
    return {_mm512_load_ps(panel.scales[block][index]),
            _mm512_load_ps(panel.zeros[block][index])};
  }
};

/// A run of kPanelBlocks row blocks as it is stored, and the panel it may be put into.
struct StoredRun {
  Panel& panel;
  const PackedLayout& layout;
  const std::uint8_t* row_blocks;  ///< the first of them
  const Run& run;
};

/// Codes, scales and zeros as they are stored; put into the panel on their way where other tiles will
/// read them there.
template <int kBits, bool kIsWide, int kDigits, bool kIsKept>
struct FromBlocks {
  StoredRun stored;
  const std::uint8_t* lines = nullptr;  ///< of the group in the first row block

  TRINE_INLINE_AVX512 void enter_group(std::size_t index) noexcept {
    fetch_next(stored.run, index);
    lines = stored.row_blocks + stored.layout.codes_offset(stored.run.first_group + index);
  }

  TRINE_INLINE_AVX512 __m512i operand(std::size_t block, std::size_t chunk, std::size_t index,
                                      std::size_t at) const noexcept {
    const std::uint8_t* at_block = lines + block * stored.layout.row_block_bytes();
    const __m512i codes = unplaced<kBits>(at_block + chunk * kBits * kLineBytes, index);
    if constexpr (kIsKept) _mm512_store_si512(stored.panel.codes[block] + at, codes);
    return codes;
  }

  TRINE_INLINE_AVX512 Metadata metadata(std::size_t block, std::size_t index) const noexcept {
    const std::uint8_t* row_block = stored.row_blocks + block * stored.layout.row_block_bytes();
    Metadata rows{};
    if constexpr (!kIsWide) rows = load_halves(row_block);
    const std::size_t at = stored.layout.metadata_offset(stored.run.first_group + index);
    const Metadata loaded = load_metadata<kIsWide>(row_block + at, rows, middle_code(kBits));
    if constexpr (kIsKept) keep<kDigits>(stored.panel, block, index, loaded);
    return loaded;
  }
};

/// Sums of one group by row block, token and digit.
template <int kDigits, int kTokens, int kBlocks>
struct TileSums {
  __m512i of[kBlocks][kTokens][kDigits];
};

/// Adds one chunk of a group.
/// @param code of the chunk's first operand in the panel
/// @param digits of each token's chunk
template <int kDigits, int kTokens, int kBlocks, class Source>
TRINE_INLINE_AVX512 void add_chunk(const Source& source, std::size_t chunk, std::size_t code,
                                   const std::uint8_t* const (&digits)[kTokens],
                                   std::size_t group_size,
                                   TileSums<kDigits, kTokens, kBlocks>& sums) noexcept {
#pragma GCC unroll 8
  for (std::size_t j = 0; j < 8; ++j) {
    __m512i q[kBlocks];
#pragma GCC unroll 2
    for (std::size_t block = 0; block < kBlocks; ++block) {
      q[block] = source.operand(block, chunk, j, code + j * kLineBytes);
    }
#pragma GCC unroll 8
    for (std::size_t t = 0; t < kTokens; ++t) {
#pragma GCC unroll 2
      for (std::size_t d = 0; d < kDigits; ++d) {
        const __m512i x =
            four_digits(digits[t] + d * group_size + chunk * kChunkInputs + 4 * j);
#pragma GCC unroll 2
        for (std::size_t block = 0; block < kBlocks; ++block) {
          __m512i& sum = sums.of[block][t][d];
          sum = _mm512_dpbusd_epi32(sum, q[block], x);
        }
      }
    }
  }
}

/// Adds the run's groups to the outputs of kTokens tokens; the first run begins at zero. Sums so far are
/// a variable of this function: what a caller's pointer leads to would be loaded and stored in between.
template <int kDigits, int kTokens, int kBlocks, class Source>
TRINE_TARGET_AVX512 void multiply_tile(Source source, const Run& run, const TokenInput* tokens,
                                       OutputTile* outputs) noexcept {
  alignas(kLineBytes) float so_far[kBlocks][kTokens][kBlockRows];
#pragma GCC unroll 8
  for (std::size_t t = 0; t < kTokens; ++t) {
#pragma GCC unroll 2
    for (std::size_t block = 0; block < kBlocks; ++block) {
      _mm512_store_ps(so_far[block][t],
                      run.first_group == 0
                          ? _mm512_setzero_ps()
                          : _mm512_load_ps(outputs[t].of + block * kBlockRows));
    }
  }
  const std::uint8_t* digits[kTokens];
#pragma GCC unroll 8
  for (std::size_t t = 0; t < kTokens; ++t) {
    digits[t] = tokens[t].digits + kDigits * run.first_group * run.group_size;
  }
  for (std::size_t i = 0; i < run.num_groups; ++i) {
    source.enter_group(i);
    TileSums<kDigits, kTokens, kBlocks> sums;
#pragma GCC unroll 2
    for (auto& block : sums.of) {
#pragma GCC unroll 8
      for (auto& token : block) {
#pragma GCC unroll 2
        for (auto& sum : token) sum = _mm512_setzero_si512();
      }
    }
    for (std::size_t chunk = 0; chunk < run.group_size / kChunkInputs; ++chunk) {
      const std::size_t first = i * run.group_size + chunk * kChunkInputs;
      add_chunk(source, chunk, first * kBlockRows, digits, run.group_size, sums);
    }
    Metadata metadata[kBlocks];
#pragma GCC unroll 2
    for (std::size_t block = 0; block < kBlocks; ++block) {
      metadata[block] = source.metadata(block, i);
    }
    const std::size_t group = run.first_group + i;
#pragma GCC unroll 8
    for (std::size_t t = 0; t < kTokens; ++t) {
#pragma GCC unroll 2
      for (std::size_t block = 0; block < kBlocks; ++block) {
        __m512i total = sums.of[block][t][0];
        if constexpr (kDigits == 2) {
          total = _mm512_add_epi32(_mm512_slli_epi32(total, 7), sums.of[block][t][1]);
        }
        float* sum = so_far[block][t];
        _mm512_store_ps(
            sum, add_scaled(total, metadata[block], in_every_lane(tokens[t].scales + group),
                            in_every_lane(tokens[t].sums + group), _mm512_load_ps(sum)));
      }
      digits[t] += kDigits * run.group_size;
    }
  }
#pragma GCC unroll 8
  for (std::size_t t = 0; t < kTokens; ++t) {
#pragma GCC unroll 2
    for (std::size_t block = 0; block < kBlocks; ++block) {
      _mm512_store_ps(outputs[t].of + block * kBlockRows, _mm512_load_ps(so_far[block][t]));
    }
  }
}
