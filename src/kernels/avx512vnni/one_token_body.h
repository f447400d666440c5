// Packed weights times one token's digits with VNNI: four row blocks at a time, so that a
// broadcast digit feeds four multiplications, eight sums hide the four clocks of a vpdpbusd, and
// four streams of reads keep the memory busy. Included after placed_codes_body.h.
//
// Zen 4 issues two operations of 512 bits a clock, one multiplication among them. Per 1024 weights of 3 bits and
// two digits there are 35 multiplications (32 vpdpbusd, 3 that scale the sums) and 37 others (24 masks and shifts, 6
// doublings, 7 around the sums): 36 clocks at best, 37.6 measured. What brings them that near:
//
// * Multiplications come in runs: where they alternate with other operations, all go to one of the two
//   schedulers, and take a quarter longer.
// * Sums are scaled where the last step left them. vpbroadcastd takes a float from memory for nothing, vbroadcastss
//   for a place among the others.
//
// A group's end beside the first step of the next, which multiplies twice per mask, is no faster with two digits,
// and reading scales after the next codes costs 5 % of what memory gives one thread at 2 bits.

/// Multiplies sums by 2^kCount; adding is cheaper than shifting.
template <int kCount>
TRINE_INLINE_AVX512 __m512i doubled(__m512i sum) noexcept {
  if constexpr (kCount == 1) return _mm512_add_epi32(sum, sum);
  return _mm512_slli_epi32(sum, kCount);
}

/// The sums of one chain, all digits before any is added to: GCC would put each beside its vpdpbusd.
template <int kCount, int kDigits, int kChains>
TRINE_INLINE_AVX512 void double_sums(__m512i (&digits)[kDigits][kChains],
                                     std::size_t chain) noexcept {
#pragma GCC unroll 2
  for (auto& digit : digits) {
    digit[chain] = doubled<kCount>(digit[chain]);
    asm("" : "+v"(digit[chain]));
  }
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

/// One step of all chunks of a group.
template <int kBits, int kStep, int kChunks, int kBlocks, int kDigits, int kChains>
TRINE_INLINE_AVX512 void add_step(const Codes<kChunks>& codes, const std::uint8_t* digits,
                                  DigitSums<kBlocks, kDigits, kChains>& sums) noexcept {
  constexpr Steps kSteps = steps<kBits>();
  constexpr Step kThis = kSteps.step[kStep];
  constexpr std::size_t kTogether = kBlocks < 2 ? 1 : 2;
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
#pragma GCC unroll 2
      for (std::size_t first = 0; first < kBlocks; first += kTogether) {
        __m512i q[kTogether];
#pragma GCC unroll 2
        for (std::size_t block = 0; block < kTogether; ++block) {
          q[block] = placed<kBits>(lines + (first + block) * codes.apart, index);
        }
        if constexpr (kStep > 0) {
          constexpr int kCount = kThis.place - kSteps.step[kStep - 1].place;
#pragma GCC unroll 2
          for (std::size_t block = 0; block < kTogether; ++block) {
            if (i == 0 && chunk < kChains) double_sums<kCount>(sums.of[first + block], chunk);
          }
        }
#pragma GCC unroll 2
        for (std::size_t block = 0; block < kTogether; ++block) {
#pragma GCC unroll 2
          for (std::size_t digit = 0; digit < kDigits; ++digit) {
            __m512i& sum = sums.of[first + block][digit][chunk % kChains];
            sum = _mm512_dpbusd_epi32(sum, q[block], x[digit]);
          }
        }
      }
    }
  }
}

template <int kBits, int kChunks, int kBlocks, int kDigits, int kChains>
TRINE_INLINE_AVX512 void add_steps(const Codes<kChunks>& codes, const std::uint8_t* digits,
                                   DigitSums<kBlocks, kDigits, kChains>& sums) noexcept {
  constexpr std::size_t kCount = steps<kBits>().count;
  add_step<kBits, 0>(codes, digits, sums);
  if constexpr (kCount > 1) add_step<kBits, 1>(codes, digits, sums);
  if constexpr (kCount > 2) add_step<kBits, 2>(codes, digits, sums);
  if constexpr (kCount > 3) add_step<kBits, 3>(codes, digits, sums);
}

/// Σ code·digit from what the steps left, at the place of the last.
template <int kDigits, int kChains>
TRINE_INLINE_AVX512 __m512i total_of(const __m512i (&sums)[kDigits][kChains]) noexcept {
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
  return total;
}

/// A sum of digits times 2^kPlace.
template <int kPlace>
TRINE_INLINE_AVX512 float raised(float sum) noexcept {
  auto bits = std::bit_cast<std::uint32_t>(sum);
  if (bits << 1 != 0) bits += std::uint32_t{kPlace} << 23;  // not 0
  return std::bit_cast<float>(bits);
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
  __m512 outputs[kBlocks];  // times 2^last_place()
  // Without the pragma the outputs would stay in memory.
#pragma GCC unroll 4
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
    add_steps<kBits>(codes, digits, sums);
    __m512i totals[kBlocks];
#pragma GCC unroll 4
    for (std::size_t block = 0; block < kBlocks; ++block) {
      totals[block] = total_of(sums.of[block]);
      asm("" : "+v"(totals[block]));  // all of them before the first is scaled
    }
    float input_sum = raised<last_place<kBits>()>(token.sums[group]);
    asm("" : "+m"(input_sum));  // not in a register, where broadcasting it takes a place
#pragma GCC unroll 4
    for (std::size_t block = 0; block < kBlocks; ++block) {
      const std::uint8_t* at = metadata + block * apart;
      outputs[block] = add_scaled(
          totals[block], load_metadata<kIsWide>(at, rows[block], middle_code(kBits)),
          in_every_lane(token.scales + group), in_every_lane(&input_sum), outputs[block]);
    }
    const bool is_pair_done = group % 2 == 1;
    digits += kDigits * kChunks * kChunkInputs;
    codes.first += kCodes + (kIsWide || is_pair_done ? kLineBytes : 0);
    metadata = kIsWide        ? metadata + kCodes + kLineBytes
               : is_pair_done ? streams.blocks + layout.metadata_offset(group + 1)
                              : metadata + kLineBytes / 2;
  }
  constexpr float kLowered = 1.0f / (1 << last_place<kBits>());
#pragma GCC unroll 4
  for (std::size_t block = 0; block < kBlocks; ++block) {
    const std::size_t row = block * streams.apart * kBlockRows;
    const std::size_t left = streams.num_rows - row;
    const auto present =
        static_cast<__mmask16>(left < kBlockRows ? (1u << left) - 1u : 0xFFFFu);
    _mm512_mask_storeu_ps(token.output + row, present,
                          _mm512_mul_ps(outputs[block], _mm512_set1_ps(kLowered)));
  }
}
