// The epilogue of a compensator on 512-bit registers: output += left · projected. Included after
// avx512/unpack_body.h by files that define, for codes of kBits, the step
//
//     template <int kBits> __m512i dot(__m512i sum, __m512i codes, __m512i digits)
//
// which adds to each 32-bit lane the products of its four unsigned codes with its four digits.
//
// The left factor is packed with outputs as its inputs, so byte 4r + i of an operand is the code of
// rank r and output i, and sums must run across the lanes. vpshufb turns each 128 bits (four ranks of
// four outputs) around; then a lane holds four ranks of one output, as dot() wants them. scale ·
// projected becomes two digits a rank, as inputs do (digit_layout.h), by the largest of the group. One
// step of that waits for the other, so it is done for several groups or tokens at a time.

/// How far ahead a group is asked for: a group takes some 30 ns, memory 100 and more.
constexpr std::size_t kFetchAheadGroups = 12;

/// Ranks whose digits share a scale: 256 · 255 · 16319 still fits 32 bits.
constexpr std::size_t kPartRanks = 256;
constexpr std::size_t kPartBlocks = kPartRanks / kBlockRows;
constexpr std::size_t kOutputsPerOperand = 4;
constexpr std::size_t kMostOperands = kMostGroupSize / kOutputsPerOperand;

/// Groups or tokens whose digits are made together.
constexpr std::size_t kTogether = 8;

/// Up to kPartRanks ranks of the factor.
struct FactorPart {
  const std::uint8_t* row_blocks;  ///< the first of them
  const PackedLayout& layout;
  std::size_t num_ranks;
  std::size_t apart = layout.row_block_bytes();  ///< once, because it takes a division

  [[nodiscard]] std::size_t num_blocks() const noexcept {
    return (num_ranks + kBlockRows - 1) / kBlockRows;
  }
  [[nodiscard]] const std::uint8_t* row_block(std::size_t block) const noexcept {
    return row_blocks + block * apart;
  }
};

/// One group of outputs of a part, four ranks of an output in each lane.
struct FactorPanel {
  alignas(kLineBytes) std::uint8_t codes[kPartBlocks][kMostOperands * kLineBytes];
};

/// Digits of scale · projected for the ranks of a part: 128 · high + low, times step.
struct FactorDigits {
  __m512i high[kPartBlocks], low[kPartBlocks];
  float step;
  float zeros;  ///< Σ zero · (128 · high + low)
};

/// Operands of one chunk, turned around.
template <int kBits>
TRINE_INLINE_AVX512 void unpack_turned(const std::uint8_t* lines, __m512i (&q)[8]) noexcept {
  const __m512i turned = _mm512_broadcast_i32x4(
      _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
  unpack<kBits>(lines, q);
#pragma GCC unroll 8
  for (auto& operand : q) operand = _mm512_shuffle_epi8(operand, turned);
}

/// Asks for a group's codes, scales and zeros.
TRINE_INLINE_AVX512 void fetch_group(const FactorPart& part, std::size_t group) noexcept {
  const std::size_t offset = part.layout.codes_offset(group);
  for (std::size_t block = 0; block < part.num_blocks(); ++block) {
    const std::uint8_t* lines = part.row_block(block) + offset;
    for (std::size_t line = 0; line <= part.layout.codes_bytes(); line += kLineBytes) {
      _mm_prefetch(reinterpret_cast<const char*>(lines + line), _MM_HINT_T0);
    }
  }
}

template <int kBits>
TRINE_TARGET_AVX512 void unpack_factor(const FactorPart& part, std::size_t group,
                                       FactorPanel& panel) noexcept {
  const std::size_t offset = part.layout.codes_offset(group);
  for (std::size_t block = 0; block < part.num_blocks(); ++block) {
    const std::uint8_t* lines = part.row_block(block) + offset;
    std::uint8_t* target = panel.codes[block];
    for (std::size_t chunk = 0; chunk < part.layout.num_chunks_per_group(); ++chunk) {
      __m512i q[8];
      unpack_turned<kBits>(lines + chunk * kBits * kLineBytes, q);
      for (std::size_t j = 0; j < 8; ++j, target += kLineBytes) {
        _mm512_store_si512(target, q[j]);
      }
    }
  }
}

/// Four digits in each 128 bits, four times over, from sixteen in 32 bits each.
TRINE_INLINE_AVX512 __m512i spread_digits(__m512i digits) noexcept {
  const __m512i index = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
  return _mm512_permutexvar_epi32(index, _mm512_castsi128_si512(_mm512_cvtepi32_epi8(digits)));
}

/// What one token's ranks of a part are worth in one group, before it becomes digits.
struct Factors {
  __m512 of[kPartBlocks], zeros[kPartBlocks];
  DigitScale scale;
};

TRINE_INLINE_AVX512 Metadata factor_metadata(const FactorPart& part, std::size_t block,
                                             std::size_t offset) noexcept {
  const std::uint8_t* row_block = part.row_block(block);
  if (part.layout.metadata_bits == 16) return load_halves(row_block + offset);
  return load_metadata<false>(row_block + offset, load_halves(row_block),
                              middle_code(part.layout.bits));
}

/// scale · projected and the step of its digits, by the largest.
TRINE_INLINE_AVX512 void scale_factors(const FactorPart& part, std::size_t group,
                                       const float* projected, Factors& factors) noexcept {
  const std::size_t offset = part.layout.metadata_offset(group);
  __m512 largest_of = _mm512_setzero_ps();
  for (std::size_t block = 0; block < part.num_blocks(); ++block) {
    const Metadata metadata = factor_metadata(part, block, offset);
    const std::size_t left = part.num_ranks - block * kBlockRows;
    const auto present =
        static_cast<__mmask16>(left < kBlockRows ? (1u << left) - 1u : 0xFFFFu);
    factors.of[block] = _mm512_mul_ps(
        metadata.scales, _mm512_maskz_loadu_ps(present, projected + block * kBlockRows));
    factors.zeros[block] = metadata.zeros;
    largest_of = _mm512_max_ps(largest_of, _mm512_abs_ps(factors.of[block]));
  }
  factors.scale = digit_scale<2>(_mm512_reduce_max_ps(largest_of));
}

TRINE_INLINE_AVX512 void split_factors(const Factors& factors, std::size_t blocks,
                                       FactorDigits& digits) noexcept {
  const __m512 inverse = _mm512_set1_ps(factors.scale.inverse);
  __m512 zeros = _mm512_setzero_ps();
  for (std::size_t block = 0; block < blocks; ++block) {
    const __m512i value = _mm512_cvtps_epi32(_mm512_mul_ps(factors.of[block], inverse));
    const __m512i high = _mm512_srai_epi32(_mm512_add_epi32(value, _mm512_set1_epi32(64)), 7);
    digits.high[block] = spread_digits(high);
    digits.low[block] = spread_digits(_mm512_sub_epi32(value, _mm512_slli_epi32(high, 7)));
    zeros = _mm512_fmadd_ps(factors.zeros[block], _mm512_cvtepi32_ps(value), zeros);
  }
  digits.step = factors.scale.scale;
  digits.zeros = _mm512_reduce_add_ps(zeros);
}

/// Σ of the four 128-bit parts of each of four registers, side by side.
TRINE_INLINE_AVX512 __m512i added_parts(const __m512i (&sums)[4]) noexcept {
  const __m512i first = _mm512_add_epi32(_mm512_shuffle_i32x4(sums[0], sums[1], 0x44),
                                         _mm512_shuffle_i32x4(sums[0], sums[1], 0xEE));
  const __m512i second = _mm512_add_epi32(_mm512_shuffle_i32x4(sums[2], sums[3], 0x44),
                                          _mm512_shuffle_i32x4(sums[2], sums[3], 0xEE));
  return _mm512_add_epi32(_mm512_shuffle_i32x4(first, second, 0x88),
                          _mm512_shuffle_i32x4(first, second, 0xDD));
}

/// Adds the sums of sixteen outputs, of which `count` exist.
TRINE_INLINE_AVX512 void add_sums(const __m512i (&sums)[4][2], const FactorDigits& digits,
                                  std::size_t count, float* output) noexcept {
  __m512i totals[4];
#pragma GCC unroll 4
  for (std::size_t i = 0; i < 4; ++i) {
    totals[i] = _mm512_add_epi32(_mm512_slli_epi32(sums[i][0], 7), sums[i][1]);
  }
  const __m512 centred =
      _mm512_sub_ps(_mm512_cvtepi32_ps(added_parts(totals)), _mm512_set1_ps(digits.zeros));
  const __m512 step = _mm512_set1_ps(digits.step);
  if (count >= kBlockRows) {
    return _mm512_storeu_ps(output, _mm512_fmadd_ps(centred, step, _mm512_loadu_ps(output)));
  }
  const auto present = static_cast<__mmask16>((1u << count) - 1u);
  const __m512 before = _mm512_maskz_loadu_ps(present, output);
  _mm512_mask_storeu_ps(output, present, _mm512_fmadd_ps(centred, step, before));
}

/// Adds what the part's ranks are worth to the first `count` outputs of a group.
template <int kBits>
TRINE_TARGET_AVX512 void add_factors(const FactorPanel& panel, const FactorDigits& digits,
                                     std::size_t blocks, std::size_t count,
                                     float* output) noexcept {
  for (std::size_t first = 0; first < count; first += kBlockRows) {
    __m512i sums[4][2] = {};
    for (std::size_t block = 0; block < blocks; ++block) {
      const std::uint8_t* codes = panel.codes[block] + first / kOutputsPerOperand * kLineBytes;
      const __m512i high = digits.high[block], low = digits.low[block];
#pragma GCC unroll 4
      for (std::size_t i = 0; i < 4; ++i) {
        const __m512i q = load(codes + i * kLineBytes);
        sums[i][0] = dot<kBits>(sums[i][0], q, high);
        sums[i][1] = dot<kBits>(sums[i][1], q, low);
      }
    }
    add_sums(sums, digits, count - first, output + first);
  }
}

/// The same from the packed codes: what is used once need not go through memory.
template <int kBits>
TRINE_TARGET_AVX512 void add_packed_factors(const FactorPart& part, std::size_t group,
                                            const FactorDigits& digits, std::size_t count,
                                            float* output) noexcept {
  const std::size_t offset = part.layout.codes_offset(group), blocks = part.num_blocks();
  for (std::size_t first = 0; first < count; first += kChunkInputs) {
    __m512i sums[2][4][2] = {};
    const std::size_t chunk = offset + first / kChunkInputs * kBits * kLineBytes;
    for (std::size_t block = 0; block < blocks; ++block) {
      __m512i q[8];
      unpack_turned<kBits>(part.row_block(block) + chunk, q);
      const __m512i high = digits.high[block], low = digits.low[block];
#pragma GCC unroll 8
      for (std::size_t i = 0; i < 8; ++i) {
        __m512i(&sum)[2] = sums[i / 4][i % 4];
        sum[0] = dot<kBits>(sum[0], q[i], high);
        sum[1] = dot<kBits>(sum[1], q[i], low);
      }
    }
    add_sums(sums[0], digits, count - first, output + first);
    if (count - first > kBlockRows) {
      add_sums(sums[1], digits, count - first - kBlockRows, output + first + kBlockRows);
    }
  }
}

TRINE_INLINE_AVX512 std::size_t least(std::size_t first, std::size_t second) noexcept {
  return first < second ? first : second;
}

/// One token: digits of several groups, then their outputs.
template <int kBits>
TRINE_TARGET_AVX512 void add_part(const FactorPart& part, GroupRange groups,
                                  const float* projected, float* output) noexcept {
  const std::size_t width = part.layout.group_size;
  Factors factors[kTogether];
  FactorDigits digits[kTogether];
  for (std::size_t begin = groups.begin; begin < groups.end; begin += kTogether) {
    const std::size_t count = least(groups.end - begin, kTogether);
    for (std::size_t i = 0; i < count; ++i) {
      scale_factors(part, begin + i, projected, factors[i]);
    }
    for (std::size_t i = 0; i < count; ++i) {
      split_factors(factors[i], part.num_blocks(), digits[i]);
    }
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t first = (begin + i) * width;
      fetch_group(part, begin + i + kFetchAheadGroups);
      add_packed_factors<kBits>(part, begin + i, digits[i],
                                least(part.layout.in_features - first, width), output + first);
    }
  }
}

/// Several tokens: one group, digits of several tokens, then their outputs.
template <int kBits>
TRINE_TARGET_AVX512 void add_part(const FactorPart& part, GroupRange groups,
                                  InputRows projected, const OutputRows& output) noexcept {
  const std::size_t width = part.layout.group_size;
  FactorPanel panel;
  Factors factors[kTogether];
  FactorDigits digits[kTogether];
  for (std::size_t group = groups.begin; group < groups.end; ++group) {
    const std::size_t first = group * width;
    fetch_group(part, group + kFetchAheadGroups);
    unpack_factor<kBits>(part, group, panel);
    for (std::size_t begin = 0; begin < projected.num_rows; begin += kTogether) {
      const std::size_t count = least(projected.num_rows - begin, kTogether);
      for (std::size_t i = 0; i < count; ++i) {
        scale_factors(part, group, projected.data + (begin + i) * projected.stride, factors[i]);
      }
      for (std::size_t i = 0; i < count; ++i) {
        split_factors(factors[i], part.num_blocks(), digits[i]);
      }
      for (std::size_t i = 0; i < count; ++i) {
        add_factors<kBits>(panel, digits[i], part.num_blocks(),
                           least(part.layout.in_features - first, width),
                           output.data + (begin + i) * output.stride + first);
      }
    }
  }
}

/// KernelTable::add_low_rank.
template <int kBits>
void add_groups(const PackedMatrixView& left, GroupRange groups, const float* projected,
                std::size_t num_tokens, const OutputRows& output) noexcept {
  const PackedLayout& layout = left.layout;
  const std::size_t rank = layout.out_features;
  for (std::size_t row = 0; row < rank; row += kPartRanks) {
    const FactorPart part{left.blocks.data() + row / kBlockRows * layout.row_block_bytes(),
                          layout, rank - row < kPartRanks ? rank - row : kPartRanks};
    if (num_tokens == 1) {
      add_part<kBits>(part, groups, projected + row, output.data);
    } else {
      add_part<kBits>(part, groups, InputRows{projected + row, rank, num_tokens}, output);
    }
  }
}
