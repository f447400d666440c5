// Packed weights times one token's digits with VNNI: four row blocks at a time, so that a
// broadcast digit feeds four multiplications, eight sums hide the four clocks of a vpdpbusd, and
// four streams of reads keep the memory busy. Included after avx512/unpack_body.h.
//
// Codes are not moved to bit 0 where a mask will do. Per 1024 weights of 3 bits and two digits:
// 32 vpdpbusd and 3 multiplications on two ports, 24 masks and shifts, 6 doublings and 6 other
// operations on the other two: 35 clocks at best.

/// How far ahead lines are asked for, into the L2 cache. Measured on Zen 4 with 1, 2 and 4 streams
/// at 0 … 16384 bytes: the processor's own prefetcher does most of it, this bridges page borders.
constexpr std::size_t kFetchAheadBytes = 768;

/// Operands that leave their fields at the same bit of each byte. What they add is 2^place of what
/// it should be, so the sums are doubled up to the place of a step before the step adds to them.
struct Step {
  int place;
  std::size_t count;
  std::size_t operands[8];
};
struct Steps {
  std::size_t count;
  Step step[4];
};
template <int kBits>
constexpr Steps steps() noexcept {
  if (kBits == 2) return {4, {{0, 2, {0, 4}}, {2, 2, {1, 5}}, {4, 2, {2, 6}}, {6, 2, {3, 7}}}};
  if (kBits == 3) return {4, {{0, 3, {0, 2, 4}}, {3, 3, {1, 3, 5}}, {4, 1, {6}}, {5, 1, {7}}}};
  if (kBits == 4) return {2, {{0, 4, {0, 2, 4, 6}}, {4, 4, {1, 3, 5, 7}}, {}, {}}};
  return {1, {{0, 8, {0, 1, 2, 3, 4, 5, 6, 7}}, {}, {}, {}}};
}

/// Bit j of the plane at bit 4.
TRINE_INLINE_AVX512 __m512i fifth_bit(__m512i plane, std::size_t j) noexcept {
  const auto count = static_cast<unsigned>(j < 4 ? 4 - j : j - 4);
  const __m512i moved =
      j < 4 ? _mm512_slli_epi16(plane, count) : _mm512_srli_epi16(plane, count);
  return _mm512_and_si512(moved, in_every_byte(16));
}

/// Field j of four, at bits 4 and 5.
TRINE_INLINE_AVX512 __m512i upper_bits(__m512i fields, std::size_t j) noexcept {
  const auto count = static_cast<unsigned>(j < 2 ? 4 - 2 * j : 2 * j - 4);
  const __m512i moved =
      j < 2 ? _mm512_slli_epi16(fields, count) : _mm512_srli_epi16(fields, count);
  return _mm512_and_si512(moved, in_every_byte(0x30));
}

TRINE_INLINE_AVX512 __m512i line_of(const std::uint8_t* lines, std::size_t index) noexcept {
  return load(lines + index * kLineBytes);
}

TRINE_INLINE_AVX512 __m512i masked(__m512i bytes, int mask) noexcept {
  return _mm512_and_si512(bytes, in_every_byte(mask));
}

/// Operand `index` of a chunk, its codes at its step's place.
template <int kBits>
TRINE_INLINE_AVX512 __m512i placed(const std::uint8_t* lines, std::size_t index) noexcept {
  if constexpr (kBits == 2) {
    return masked(line_of(lines, index / 4), 3 << (2 * (index % 4)));
  } else if constexpr (kBits == 3) {
    if (index == 6)
      return masked(select(0x30, _mm512_srli_epi16(line_of(lines, 0), 2), line_of(lines, 2)),
                    0x70);
    if (index == 7)
      return masked(select(0x60, _mm512_srli_epi16(line_of(lines, 1), 1), line_of(lines, 2)),
                    0xE0);
    return masked(line_of(lines, index / 2), index % 2 == 0 ? 7 : 0x38);
  } else if constexpr (kBits == 4) {
    return masked(line_of(lines, index / 2), index % 2 == 0 ? 15 : 0xF0);
  } else if constexpr (kBits == 8) {
    return line_of(lines, index);
  } else {
    const __m512i nibbles = index % 2 == 0 ? line_of(lines, index / 2)
                                           : _mm512_srli_epi16(line_of(lines, index / 2), 4);
    const __m512i above = kBits == 5 ? fifth_bit(line_of(lines, 4), index)
                                     : upper_bits(line_of(lines, 4 + index / 4), index % 4);
    return _mm512_ternarylogic_epi32(nibbles, in_every_byte(15), above, 0xEA);  // (n & 15) | a
  }
}

/// Multiplies sums by 2^kCount; adding is cheaper than shifting.
template <int kCount>
TRINE_INLINE_AVX512 __m512i doubled(__m512i sum) noexcept {
  if constexpr (kCount == 1) return _mm512_add_epi32(sum, sum);
  return _mm512_slli_epi32(sum, kCount);
}

/// Sums of one group by row block and digit.
template <int kBlocks, int kDigits>
struct DigitSums {
  __m512i of[kBlocks][kDigits];
};

/// Where the codes of some row blocks lie: kChunks chunks per group.
template <int kChunks>
struct Codes {
  const std::uint8_t* first;
  std::size_t apart;
};

/// One step of all chunks of a group.
template <int kBits, int kStep, int kChunks, int kBlocks, int kDigits>
TRINE_INLINE_AVX512 void add_step(const Codes<kChunks>& codes, const std::uint8_t* digits,
                                  DigitSums<kBlocks, kDigits>& sums) noexcept {
  constexpr Steps kSteps = steps<kBits>();
  constexpr Step kThis = kSteps.step[kStep];
  if constexpr (kStep > 0) {
    constexpr int kCount = kThis.place - kSteps.step[kStep - 1].place;
#pragma GCC unroll 4
    for (auto& block : sums.of) {
#pragma GCC unroll 2
      for (auto& sum : block) sum = doubled<kCount>(sum);
    }
  }
  constexpr std::size_t kGroupSize = kChunks * kChunkInputs;
#pragma GCC unroll 4
  for (std::size_t chunk = 0; chunk < kChunks; ++chunk) {
#pragma GCC unroll 8
    for (std::size_t i = 0; i < kThis.count; ++i) {
      const std::size_t index = kThis.operands[i];
      const std::uint8_t* lines = codes.first + chunk * kBits * kLineBytes;
      __m512i x[kDigits];
#pragma GCC unroll 2
      for (std::size_t digit = 0; digit < kDigits; ++digit) {
        x[digit] = four_digits(digits + digit * kGroupSize + chunk * kChunkInputs + 4 * index);
      }
#pragma GCC unroll 4
      for (std::size_t block = 0; block < kBlocks; ++block) {
        const __m512i q = placed<kBits>(lines + block * codes.apart, index);
#pragma GCC unroll 2
        for (std::size_t digit = 0; digit < kDigits; ++digit) {
          sums.of[block][digit] = _mm512_dpbusd_epi32(sums.of[block][digit], q, x[digit]);
        }
      }
    }
  }
}

template <int kBits, int kChunks, int kBlocks, int kDigits>
TRINE_INLINE_AVX512 void add_steps(const Codes<kChunks>& codes, const std::uint8_t* digits,
                                   DigitSums<kBlocks, kDigits>& sums) noexcept {
  constexpr std::size_t kCount = steps<kBits>().count;
  add_step<kBits, 0>(codes, digits, sums);
  if constexpr (kCount > 1) add_step<kBits, 1>(codes, digits, sums);
  if constexpr (kCount > 2) add_step<kBits, 2>(codes, digits, sums);
  if constexpr (kCount > 3) add_step<kBits, 3>(codes, digits, sums);
}

/// Σ code·digit from what the steps left.
template <int kBits, int kDigits>
TRINE_INLINE_AVX512 __m512i total_of(const __m512i (&sums)[kDigits]) noexcept {
  constexpr Steps kSteps = steps<kBits>();
  constexpr int kPlace = kSteps.step[kSteps.count - 1].place;
  __m512i total = sums[0];
  if constexpr (kDigits == 2) total = _mm512_add_epi32(_mm512_slli_epi32(total, 7), sums[1]);
  if constexpr (kPlace > 0) total = _mm512_srai_epi32(total, kPlace);
  return total;
}

/// Outputs of kBlocks neighbouring row blocks.
template <int kBits, int kChunks, bool kIsWide, int kDigits, int kBlocks>
TRINE_TARGET_AVX512 void multiply_one(const RowBlock& row_block, const PackedLayout& layout,
                                      const TokenInput& token) noexcept {
  const std::size_t apart = layout.row_block_bytes();
  constexpr std::size_t kCodes = kChunks * kBits * kLineBytes;
  Metadata rows[kBlocks] = {};
  __m512 outputs[kBlocks];
  for (std::size_t block = 0; block < kBlocks; ++block) {
    if constexpr (!kIsWide) rows[block] = load_halves(row_block.blocks + block * apart);
    outputs[block] = _mm512_setzero_ps();
  }
  Codes<kChunks> codes{row_block.blocks + layout.codes_offset(0), apart};
  const std::uint8_t* metadata = row_block.blocks + layout.metadata_offset(0);
  const std::uint8_t* digits = token.digits;
  const std::size_t groups = layout.num_groups();
  for (std::size_t group = 0; group < groups; ++group) {
    DigitSums<kBlocks, kDigits> sums;
#pragma GCC unroll 4
    for (std::size_t block = 0; block < kBlocks; ++block) {
#pragma GCC unroll 2
      for (auto& sum : sums.of[block]) sum = _mm512_setzero_si512();
      const std::uint8_t* ahead = codes.first + block * apart + kFetchAheadBytes;
      for (std::size_t line = 0; line <= kCodes; line += kLineBytes) {
        _mm_prefetch(reinterpret_cast<const char*>(ahead + line), _MM_HINT_T1);
      }
    }
    add_steps<kBits>(codes, digits, sums);
#pragma GCC unroll 4
    for (std::size_t block = 0; block < kBlocks; ++block) {
      outputs[block] = add_scaled(
          total_of<kBits>(sums.of[block]),
          load_metadata<kIsWide>(metadata + block * apart, rows[block], middle_code(kBits)),
          token.scales[group], token.sums[group], outputs[block]);
    }
    const bool is_pair_done = group % 2 == 1;
    digits += kDigits * kChunks * kChunkInputs;
    codes.first += kCodes + (kIsWide || is_pair_done ? kLineBytes : 0);
    metadata = kIsWide        ? metadata + kCodes + kLineBytes
               : is_pair_done ? row_block.blocks + layout.metadata_offset(group + 1)
                              : metadata + kLineBytes / 2;
  }
  for (std::size_t block = 0; block < kBlocks; ++block) {
    const std::size_t left = row_block.num_rows - block * kBlockRows;
    const auto present =
        static_cast<__mmask16>(left < kBlockRows ? (1u << left) - 1u : 0xFFFFu);
    _mm512_mask_storeu_ps(token.output + block * kBlockRows, present, outputs[block]);
  }
}
