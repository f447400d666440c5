// Packed weights times digit inputs on 512-bit registers: sixteen outputs at a time.
//
// Included by two files that define TRINE_TARGET_AVX512 (the instruction sets a function may use)
// and kHasVnni before it, because a target attribute cannot be a template parameter. With VNNI
// one vpdpbusd multiplies and adds four inputs of sixteen outputs; without it, vpmaddubsw and
// vpmaddwd as in avx2/packed_matmul.cpp, which also explains the 16-bit limits.
//
// Cost per chunk of 512 weights at 3 bits: 17 unpacking operations + 16 vpdpbusd per token.

#define TRINE_INLINE_AVX512 TRINE_TARGET_AVX512 __attribute__((always_inline)) inline

constexpr std::size_t kPrefetchGroups = 8;

TRINE_INLINE_AVX512 __m512i load(const std::uint8_t* bytes) noexcept {
  return _mm512_loadu_si512(bytes);
}

template <int kShift>
TRINE_INLINE_AVX512 __m512i shifted(__m512i value) noexcept {
  return kShift == 0 ? value : _mm512_srli_epi16(value, kShift);
}

/// Bits of `first` where `mask` has ones, of `second` elsewhere.
TRINE_INLINE_AVX512 __m512i select(__m512i mask, __m512i first, __m512i second) noexcept {
  return _mm512_ternarylogic_epi32(mask, first, second, 0xCA);
}

/// q[2i], q[2i+1] = the nibbles of line i, for four lines.
TRINE_INLINE_AVX512 void unpack_nibbles(const std::uint8_t* lines, __m512i (&q)[8]) noexcept {
  const __m512i mask = _mm512_set1_epi8(15);
  for (std::size_t i = 0; i < 4; ++i) {
    const __m512i line = load(lines + i * kLineBytes);
    q[2 * i] = _mm512_and_si512(line, mask);
    q[2 * i + 1] = _mm512_and_si512(shifted<4>(line), mask);
  }
}

/// The four 2-bit fields of one line, moved to bits 0-1.
TRINE_INLINE_AVX512 void unpack_quads(const std::uint8_t* line, __m512i (&q)[4]) noexcept {
  const __m512i mask = _mm512_set1_epi8(3);
  const __m512i value = load(line);
  q[0] = _mm512_and_si512(value, mask);
  q[1] = _mm512_and_si512(shifted<2>(value), mask);
  q[2] = _mm512_and_si512(shifted<4>(value), mask);
  q[3] = _mm512_and_si512(shifted<6>(value), mask);
}

TRINE_INLINE_AVX512 void unpack_3(const std::uint8_t* lines, __m512i (&q)[8]) noexcept {
  const __m512i seven = _mm512_set1_epi8(7);
  const __m512i three = _mm512_set1_epi8(3);
  const __m512i a = load(lines);
  const __m512i b = load(lines + kLineBytes);
  const __m512i c = load(lines + 2 * kLineBytes);
  q[0] = _mm512_and_si512(a, seven);
  q[1] = _mm512_and_si512(shifted<3>(a), seven);
  q[2] = _mm512_and_si512(b, seven);
  q[3] = _mm512_and_si512(shifted<3>(b), seven);
  q[4] = _mm512_and_si512(c, seven);
  q[5] = _mm512_and_si512(shifted<3>(c), seven);
  q[6] = _mm512_and_si512(select(three, shifted<6>(a), shifted<4>(c)), seven);
  q[7] = _mm512_and_si512(select(three, shifted<6>(b), shifted<5>(c)), seven);
}

/// Adds bit j of the plane, worth 16, to q[j].
TRINE_INLINE_AVX512 void add_fifth_bits(const std::uint8_t* plane, __m512i (&q)[8]) noexcept {
  const __m512i sixteen = _mm512_set1_epi8(16);
  const __m512i value = load(plane);
  const __m512i moved[8] = {_mm512_slli_epi16(value, 4),
                            _mm512_slli_epi16(value, 3),
                            _mm512_slli_epi16(value, 2),
                            _mm512_slli_epi16(value, 1),
                            value,
                            shifted<1>(value),
                            shifted<2>(value),
                            shifted<3>(value)};
  for (std::size_t j = 0; j < 8; ++j) q[j] = select(sixteen, moved[j], q[j]);
}

template <int kBits>
TRINE_INLINE_AVX512 void unpack(const std::uint8_t* lines, __m512i (&q)[8]) noexcept {
  if constexpr (kBits == 2 || kBits == 6) {
    const std::uint8_t* pairs = kBits == 2 ? lines : lines + 4 * kLineBytes;
    __m512i first[4], second[4];
    unpack_quads(pairs, first);
    unpack_quads(pairs + kLineBytes, second);
    if constexpr (kBits == 6) unpack_nibbles(lines, q);
    for (std::size_t j = 0; j < 8; ++j) {
      const __m512i field = j < 4 ? first[j] : second[j - 4];
      q[j] = kBits == 2 ? field : _mm512_or_si512(q[j], _mm512_slli_epi16(field, 4));
    }
  } else if constexpr (kBits == 3) {
    unpack_3(lines, q);
  } else if constexpr (kBits == 4 || kBits == 5) {
    unpack_nibbles(lines, q);
    if constexpr (kBits == 5) add_fifth_bits(lines + 4 * kLineBytes, q);
  } else {
    for (std::size_t j = 0; j < 8; ++j) q[j] = load(lines + j * kLineBytes);
  }
}

TRINE_INLINE_AVX512 __m512i four_digits(const std::uint8_t* digits) noexcept {
  std::int32_t word = 0;
  std::memcpy(&word, digits, sizeof word);
  return _mm512_set1_epi32(word);
}

/// total + Σ over the chunk's 32 inputs of code · digit, for sixteen outputs.
template <int kBits>
TRINE_INLINE_AVX512 __m512i add_chunk(__m512i total, const __m512i (&q)[8],
                                      const std::uint8_t* digits) noexcept {
  if constexpr (kHasVnni) {
    for (std::size_t j = 0; j < 8; ++j) {
      total = _mm512_dpbusd_epi32(total, q[j], four_digits(digits + 4 * j));
    }
    return total;
  } else if constexpr (kBits == 8) {
    const __m512i mask = _mm512_set1_epi8(15);
    __m512i low = _mm512_setzero_si512();
    __m512i high = _mm512_setzero_si512();
    for (std::size_t j = 0; j < 8; ++j) {
      const __m512i x = four_digits(digits + 4 * j);
      low = _mm512_add_epi16(low, _mm512_maddubs_epi16(_mm512_and_si512(q[j], mask), x));
      high = _mm512_add_epi16(
          high, _mm512_maddubs_epi16(_mm512_and_si512(shifted<4>(q[j]), mask), x));
    }
    total = _mm512_add_epi32(total, _mm512_madd_epi16(low, _mm512_set1_epi16(1)));
    return _mm512_add_epi32(total, _mm512_madd_epi16(high, _mm512_set1_epi16(16)));
  } else {
    constexpr std::size_t kPerWiden = kBits <= 4 ? 8 : kBits == 5 ? 4 : 2;
    for (std::size_t first = 0; first < 8; first += kPerWiden) {
      __m512i pairs = _mm512_setzero_si512();
      for (std::size_t j = first; j < first + kPerWiden; ++j) {
        pairs =
            _mm512_add_epi16(pairs, _mm512_maddubs_epi16(q[j], four_digits(digits + 4 * j)));
      }
      total = _mm512_add_epi32(total, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
    }
    return total;
  }
}

struct Metadata {
  __m512 scales, zeros;
};

/// Scales and zeros of sixteen outputs for one group.
TRINE_INLINE_AVX512 Metadata load_metadata(const std::uint8_t* row_block,
                                           const PackedLayout& layout,
                                           std::size_t group) noexcept {
  const std::uint8_t* source = row_block + layout.metadata_offset(group);
  const bool is_wide = layout.metadata_bits == 16;
  const __m512i halves = load(is_wide ? source : row_block);
  const __m512 first = _mm512_cvtph_ps(_mm512_castsi512_si256(halves));
  const __m512 second = _mm512_cvtph_ps(_mm512_extracti64x4_epi64(halves, 1));
  if (is_wide) return {first, second};
  const auto bytes = [&](std::size_t offset) TRINE_TARGET_AVX512 {
    const auto* at = reinterpret_cast<const __m128i*>(source + offset);
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(at)));
  };
  const __m512 steps = _mm512_sub_ps(bytes(kBlockRows), _mm512_set1_ps(128.0f));
  return {_mm512_mul_ps(bytes(0), first),
          _mm512_fmadd_ps(steps, second, _mm512_set1_ps(middle_code(layout.bits)))};
}

/// One group: sums[t] += scale · x_scale · (Σ code·digit − zero · Σ digit).
template <int kBits, int kTokens>
TRINE_INLINE_AVX512 void add_group(const std::uint8_t* row_block, const PackedLayout& layout,
                                   std::size_t group, const TokenInput* tokens,
                                   __m512* sums) noexcept {
  const std::uint8_t* lines = row_block + layout.codes_offset(group);
  __m512i high[kTokens], low[kTokens];
  for (int t = 0; t < kTokens; ++t) high[t] = low[t] = _mm512_setzero_si512();
  for (std::size_t chunk = 0; chunk < layout.num_chunks_per_group(); ++chunk) {
    __m512i q[8];
    unpack<kBits>(lines + chunk * kBits * kLineBytes, q);
    for (int t = 0; t < kTokens; ++t) {
      const std::uint8_t* digits =
          tokens[t].digits + 2 * group * layout.group_size + chunk * kChunkInputs;
      high[t] = add_chunk<kBits>(high[t], q, digits);
      low[t] = add_chunk<kBits>(low[t], q, digits + layout.group_size);
    }
  }
  const auto [scales, zeros] = load_metadata(row_block, layout, group);
  for (int t = 0; t < kTokens; ++t) {
    const __m512i total = _mm512_add_epi32(_mm512_slli_epi32(high[t], 7), low[t]);
    const __m512 centred = _mm512_fnmadd_ps(zeros, _mm512_set1_ps(tokens[t].sums[group]),
                                            _mm512_cvtepi32_ps(total));
    sums[t] = _mm512_fmadd_ps(_mm512_mul_ps(scales, _mm512_set1_ps(tokens[t].scales[group])),
                              centred, sums[t]);
  }
}

template <int kBits, int kTokens>
TRINE_TARGET_AVX512 void multiply_row_block(const RowBlock& row_block,
                                            const PackedLayout& layout,
                                            const TokenInput* tokens) noexcept {
  __m512 sums[kTokens];
  for (int t = 0; t < kTokens; ++t) sums[t] = _mm512_setzero_ps();
  const std::size_t group_bytes = layout.codes_bytes() + kLineBytes;
  for (std::size_t group = 0; group < layout.num_groups(); ++group) {
    const std::uint8_t* ahead =
        row_block.blocks + layout.codes_offset(group) + kPrefetchGroups * group_bytes;
    for (std::size_t line = 0; line < group_bytes; line += kLineBytes) {
      _mm_prefetch(reinterpret_cast<const char*>(ahead + line), _MM_HINT_T0);
    }
    add_group<kBits, kTokens>(row_block.blocks, layout, group, tokens, sums);
  }
  const auto present = static_cast<__mmask16>((1u << row_block.num_rows) - 1u);
  for (int t = 0; t < kTokens; ++t) _mm512_mask_storeu_ps(tokens[t].output, present, sums[t]);
}

template <int kBits>
void multiply_bits(const PackedMatrixView& matrix, RowBlockRange rows,
                   const PreparedInputs& inputs, const OutputRows& output) noexcept {
  const PackedLayout& layout = matrix.layout;
  const auto multiply = [&](const RowBlock& row_block, const TokenInput* tokens,
                            std::size_t count) {
    if (count == 4) return multiply_row_block<kBits, 4>(row_block, layout, tokens);
    if (count == 2) return multiply_row_block<kBits, 2>(row_block, layout, tokens);
    return multiply_row_block<kBits, 1>(row_block, layout, tokens);
  };
  // Four tokens: 8 operands + 8 integer sums + 4 float sums + constants fill 32 registers.
  for_each_tile(matrix, rows, inputs, output, 4, multiply);
}

void packed_matmul(const PackedMatrixView& matrix, RowBlockRange rows,
                   const PreparedInputs& inputs, const OutputRows& output) noexcept {
  switch (matrix.layout.bits) {
    case 2: return multiply_bits<2>(matrix, rows, inputs, output);
    case 3: return multiply_bits<3>(matrix, rows, inputs, output);
    case 4: return multiply_bits<4>(matrix, rows, inputs, output);
    case 5: return multiply_bits<5>(matrix, rows, inputs, output);
    case 6: return multiply_bits<6>(matrix, rows, inputs, output);
    default: return multiply_bits<8>(matrix, rows, inputs, output);
  }
}
