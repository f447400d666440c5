// Codes of packed blocks as bf16: two inputs of sixteen outputs a register. Included after
// avx512/unpack_body.h.
//
// A code becomes a number by standing in the upper bits of the mantissa of 2^bits: what is multiplied is
// 2^bits + code, exact, and the zeros grow by 2^bits. That takes a shift and one logical operation, which
// run beside vdpbf16ps; a table (vpermw) shares its ports: one token, 3 bits, from the cache 12.1 weights
// a clock. Sums are at most twice as large as those of the codes, and round so much more.

/// What is multiplied beside the code itself.
template <int kBits>
inline constexpr float kAboveCode = kBits == 8 ? 0.0f : static_cast<float>(1 << kBits);

/// Of every 16 bits those from `from` on moved to `to`.
TRINE_INLINE_AVX512 __m512i moved(__m512i words, std::size_t from, std::size_t to) noexcept {
  if (from == to) return words;
  if (from < to) return _mm512_slli_epi16(words, static_cast<unsigned>(to - from));
  return _mm512_srli_epi16(words, static_cast<unsigned>(from - to));
}

TRINE_INLINE_AVX512 __m512i in_every_word(int value) noexcept {
  return _mm512_set1_epi16(static_cast<short>(value));
}

/// Bits of `first` where `mask` has ones, of `second` elsewhere.
TRINE_INLINE_AVX512 __m512i select_words(int mask, __m512i first, __m512i second) noexcept {
  return _mm512_ternarylogic_epi32(in_every_word(mask), first, second, 0xCA);
}

TRINE_INLINE_AVX512 __m512i line_at(const std::uint8_t* lines, std::size_t index) noexcept {
  return load(lines + index * kLineBytes);
}

/// A chunk's operand `index`, of its four inputs 0 and 2 (half 0) or 1 and 3 (half 1): codes at the upper
/// end of a mantissa, bits 7 − kBits to 6 of a word, and anything beside them.
template <int kBits>
TRINE_INLINE_AVX512 __m512i placed_pair(const std::uint8_t* lines, std::size_t index,
                                        std::size_t half) noexcept {
  const std::size_t byte = 8 * half;
  if constexpr (kBits == 2) return moved(line_at(lines, index / 4), byte + 2 * (index % 4), 5);
  if constexpr (kBits == 3) {
    if (index < 6) return moved(line_at(lines, index / 2), byte + 3 * (index % 2), 4);
    return select_words(0x30, moved(line_at(lines, index - 6), byte + 6, 4),
                        moved(line_at(lines, 2), byte + index, 6));
  }
  const std::size_t nibble = byte + 4 * (index % 2);
  if constexpr (kBits == 4) return moved(line_at(lines, index / 2), nibble, 3);
  if constexpr (kBits == 5) {
    return select_words(0x3C, moved(line_at(lines, index / 2), nibble, 2),
                        moved(line_at(lines, 4), byte + index, 6));
  }
  return select_words(0x1E, moved(line_at(lines, index / 2), nibble, 1),
                      moved(line_at(lines, 4 + index / 4), byte + 2 * (index % 4), 5));
}

/// Eight bits are too many for a mantissa: they are converted, of each 32 bits the lowest byte and the
/// third one, or the bytes after those.
TRINE_INLINE_AVX512 __m512i converted_pair(__m512i bytes, std::size_t half) noexcept {
  const __m512i byte = _mm512_set1_epi32(0xFF), placed = moved(bytes, 8 * half, 0);
  const __m512 low = _mm512_cvtepi32_ps(_mm512_and_si512(placed, byte));
  const __m512 high = _mm512_cvtepi32_ps(_mm512_and_si512(_mm512_srli_epi32(placed, 16), byte));
  return _mm512_or_si512(_mm512_srli_epi32(_mm512_castps_si512(low), 16),
                         _mm512_castps_si512(high));
}

/// kAboveCode + code as bf16; operands as placed_pair() counts them.
template <int kBits>
TRINE_INLINE_AVX512 __m512i bf16_pair(const std::uint8_t* lines, std::size_t index,
                                      std::size_t half) noexcept {
  if constexpr (kBits == 8) {
    return converted_pair(line_at(lines, index), half);
  } else {
    constexpr int kMask = ((1 << kBits) - 1) << (7 - kBits), kPower = (127 + kBits) << 7;
    return _mm512_ternarylogic_epi32(placed_pair<kBits>(lines, index, half),
                                     in_every_word(kMask), in_every_word(kPower),
                                     0xEA);  // (code & mask) | power
  }
}

/// Scales, and zeros of what is multiplied.
template <int kBits, bool kIsWide>
TRINE_INLINE_AVX512 Metadata load_bf16_metadata(const std::uint8_t* source,
                                                const Metadata& rows) noexcept {
  Metadata metadata = load_metadata<kIsWide>(source, rows, middle_code(kBits));
  metadata.zeros = _mm512_add_ps(metadata.zeros, _mm512_set1_ps(kAboveCode<kBits>));
  return metadata;
}

TRINE_INLINE_AVX512 __m512 add_pairs(__m512 sum, __m512i codes, __m512i inputs) noexcept {
  return _mm512_dpbf16_ps(sum, __builtin_bit_cast(__m512bh, codes),
                          __builtin_bit_cast(__m512bh, inputs));
}

/// Two inputs of a token, in every lane.
TRINE_INLINE_AVX512 __m512i two_inputs(const std::uint8_t* inputs) noexcept {
  return four_digits(inputs);  // as many bytes
}

/// output + scale · (Σ code·x − zero · Σ x): the same operations in every way a call goes.
TRINE_INLINE_AVX512 __m512 add_group_sum(__m512 sum, const Metadata& metadata, float input_sum,
                                         __m512 output) noexcept {
  const __m512 centred = _mm512_fnmadd_ps(metadata.zeros, _mm512_set1_ps(input_sum), sum);
  return _mm512_fmadd_ps(metadata.scales, centred, output);
}
