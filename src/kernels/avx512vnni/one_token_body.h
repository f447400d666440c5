// Packed weights times one token's digits with VNNI: four row blocks at a time, so that a
// broadcast digit feeds four multiplications, eight sums hide the four clocks of a vpdpbusd, and
// four streams of reads keep the memory busy. Included after avx512/unpack_body.h.
//
// Codes are not moved to bit 0 where a mask will do. Per 1024 weights of 3 bits and two digits:
// 32 vpdpbusd and 3 multiplications on two ports, 24 masks and shifts, 6 doublings and 6 other
// operations on the other two: 35 clocks at best.

/// How far ahead lines are asked for, into the L2 cache. From 768 to 1280 bytes it is the same on
/// Zen 4, whose own prefetcher does most of it; 1536 and more lose a tenth.
constexpr std::size_t kFetchAheadBytes = 1024;

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

/// Operands of a chunk in steps before this one.
template <int kBits>
constexpr std::size_t operands_before(std::size_t step) noexcept {
  std::size_t count = 0;
  for (std::size_t i = 0; i < step; ++i) count += steps<kBits>().step[i].count;
  return count;
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
      return _mm512_or_si512(masked(_mm512_srli_epi16(line_of(lines, 0), 2), 0x30),
                             masked(line_of(lines, 2), 0x40));
    if (index == 7)
      return _mm512_or_si512(masked(_mm512_srli_epi16(line_of(lines, 1), 1), 0x60),
                             masked(line_of(lines, 2), 0x80));
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

/// Sums of one group by row block, digit and chain. Every second chunk has a chain of its own where
/// fewer than four row blocks leave too few sums to hide the four clocks of a vpdpbusd.
template <int kBlocks, int kDigits, int kChains>
struct DigitSums {
  __m512i of[kBlocks][kDigits][kChains];
};

/// Where the codes of some row blocks lie: kChunks chunks per group.
template <int kChunks>
struct Codes {
  const std::uint8_t* first;
  std::size_t apart;
};

/// Asks for its share of the lines that will be read kAheadBytes from here: a little beside each
/// operand, because all at once they would fill the buffers that loads wait in.
template <int kBits, int kChunks, int kBlocks>
TRINE_INLINE_AVX512 void fetch_share(const std::uint8_t* ahead, std::size_t apart,
                                     std::size_t operand) noexcept {
  constexpr std::size_t kLines = kChunks * kBits + 1, kOperands = 8 * kChunks;
  const std::size_t begin = operand * kLines * kBlocks / kOperands;
  const std::size_t end = (operand + 1) * kLines * kBlocks / kOperands;
#pragma GCC unroll 8
  for (std::size_t line = begin; line < end; ++line) {
    const std::uint8_t* at = ahead + line % kBlocks * apart + line / kBlocks * kLineBytes;
    _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T1);
  }
}

/// One step of all chunks of a group.
template <int kBits, int kStep, int kChunks, int kBlocks, int kDigits, int kChains>
TRINE_INLINE_AVX512 void add_step(const Codes<kChunks>& codes, const std::uint8_t* ahead,
                                  const std::uint8_t* digits,
                                  DigitSums<kBlocks, kDigits, kChains>& sums) noexcept {
  constexpr Steps kSteps = steps<kBits>();
  constexpr Step kThis = kSteps.step[kStep];
  if constexpr (kStep > 0) {
    constexpr int kCount = kThis.place - kSteps.step[kStep - 1].place;
#pragma GCC unroll 4
    for (auto& block : sums.of) {
#pragma GCC unroll 2
      for (auto& digit : block) {
#pragma GCC unroll 2
        for (auto& sum : digit) sum = doubled<kCount>(sum);
      }
    }
  }
  constexpr std::size_t kGroupSize = kChunks * kChunkInputs;
  constexpr std::size_t kBefore = kChunks * operands_before<kBits>(kStep);
#pragma GCC unroll 4
  for (std::size_t chunk = 0; chunk < kChunks; ++chunk) {
#pragma GCC unroll 8
    for (std::size_t i = 0; i < kThis.count; ++i) {
      fetch_share<kBits, kChunks, kBlocks>(ahead, codes.apart,
                                           kBefore + chunk * kThis.count + i);
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
          __m512i& sum = sums.of[block][digit][chunk % kChains];
          sum = _mm512_dpbusd_epi32(sum, q, x[digit]);
        }
      }
    }
  }
}

template <int kBits, int kChunks, int kBlocks, int kDigits, int kChains>
TRINE_INLINE_AVX512 void add_steps(const Codes<kChunks>& codes, const std::uint8_t* ahead,
                                   const std::uint8_t* digits,
                                   DigitSums<kBlocks, kDigits, kChains>& sums) noexcept {
  constexpr std::size_t kCount = steps<kBits>().count;
  add_step<kBits, 0>(codes, ahead, digits, sums);
  if constexpr (kCount > 1) add_step<kBits, 1>(codes, ahead, digits, sums);
  if constexpr (kCount > 2) add_step<kBits, 2>(codes, ahead, digits, sums);
  if constexpr (kCount > 3) add_step<kBits, 3>(codes, ahead, digits, sums);
}

/// Σ code·digit from what the steps left.
template <int kBits, int kDigits, int kChains>
TRINE_INLINE_AVX512 __m512i total_of(const __m512i (&sums)[kDigits][kChains]) noexcept {
  constexpr Steps kSteps = steps<kBits>();
  constexpr int kPlace = kSteps.step[kSteps.count - 1].place;
  __m512i digits[kDigits];
#pragma GCC unroll 2
  for (std::size_t digit = 0; digit < kDigits; ++digit) {
    digits[digit] = sums[digit][0];
    if constexpr (kChains == 2) {
      digits[digit] = _mm512_add_epi32(digits[digit], sums[digit][1]);
    }
  }
  __m512i total = digits[0];
  if constexpr (kDigits == 2) total = _mm512_add_epi32(_mm512_slli_epi32(total, 7), digits[1]);
  if constexpr (kPlace > 0) total = _mm512_srai_epi32(total, kPlace);
  return total;
}

/// kBlocks row blocks, equally far apart.
struct Streams {
  const std::uint8_t* blocks;  ///< the first row block
  std::size_t apart;           ///< row blocks from one to the next
  std::size_t num_rows;        ///< outputs that exist from the first on
};

/// Outputs of kBlocks row blocks.
template <int kBits, int kChunks, bool kIsWide, int kDigits, int kBlocks>
TRINE_TARGET_AVX512 void multiply_one(const Streams& streams, const PackedLayout& layout,
                                      const TokenInput& token) noexcept {
  const std::size_t apart = streams.apart * layout.row_block_bytes();
  constexpr std::size_t kCodes = kChunks * kBits * kLineBytes;
  constexpr int kChains = kBlocks < 4 && kChunks > 1 ? 2 : 1;
  Metadata rows[kBlocks] = {};
  __m512 outputs[kBlocks];
  for (std::size_t block = 0; block < kBlocks; ++block) {
    if constexpr (!kIsWide) rows[block] = load_halves(streams.blocks + block * apart);
    outputs[block] = _mm512_setzero_ps();
  }
  Codes<kChunks> codes{streams.blocks + layout.codes_offset(0), apart};
  const std::uint8_t* metadata = streams.blocks + layout.metadata_offset(0);
  const std::uint8_t* digits = token.digits;
  const std::size_t groups = layout.num_groups();
  for (std::size_t group = 0; group < groups; ++group) {
    DigitSums<kBlocks, kDigits, kChains> sums;
#pragma GCC unroll 4
    for (std::size_t block = 0; block < kBlocks; ++block) {
#pragma GCC unroll 2
      for (auto& digit : sums.of[block]) {
#pragma GCC unroll 2
        for (auto& sum : digit) sum = _mm512_setzero_si512();
      }
    }
    add_steps<kBits>(codes, codes.first + kFetchAheadBytes, digits, sums);
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
               : is_pair_done ? streams.blocks + layout.metadata_offset(group + 1)
                              : metadata + kLineBytes / 2;
  }
  for (std::size_t block = 0; block < kBlocks; ++block) {
    const std::size_t row = block * streams.apart * kBlockRows;
    const std::size_t left = streams.num_rows - row;
    const auto present =
        static_cast<__mmask16>(left < kBlockRows ? (1u << left) - 1u : 0xFFFFu);
    _mm512_mask_storeu_ps(token.output + row, present, outputs[block]);
  }
}
