// Codes, scales and zeros of packed blocks on 512-bit registers: sixteen outputs at a time.
//
// Included inside a namespace by files that define TRINE_TARGET_AVX512 (the instruction sets a
// function may use) before it, because a target attribute cannot be a template parameter.
//
// Shift and mask, not GFNI: on Zen 4 vgf2p8affineqb shares its ports with vpdpbusd (measured:
// 1.0 of both together a clock), masks and shifts do not (2.0 a clock).

TRINE_INLINE_AVX512 __m512i load(const std::uint8_t* bytes) noexcept {
  return _mm512_loadu_si512(bytes);
}

TRINE_INLINE_AVX512 __m512i in_every_byte(int value) noexcept {
  return _mm512_set1_epi8(static_cast<char>(value));
}

/// Bits kFrom … kFrom + kCount − 1 of every byte, moved to kTo …, all others zero.
template <int kFrom, int kCount, int kTo = 0>
TRINE_INLINE_AVX512 __m512i field(__m512i bytes) noexcept {
  const __m512i mask = in_every_byte(((1 << kCount) - 1) << kTo);
  if constexpr (kFrom == kTo) return _mm512_and_si512(bytes, mask);
  if constexpr (kFrom > kTo) {
    return _mm512_and_si512(_mm512_srli_epi16(bytes, kFrom - kTo), mask);
  }
  return _mm512_and_si512(_mm512_slli_epi16(bytes, kTo - kFrom), mask);
}

/// Bits of `first` where `mask` has ones, of `second` elsewhere.
TRINE_INLINE_AVX512 __m512i select(int mask, __m512i first, __m512i second) noexcept {
  return _mm512_ternarylogic_epi32(in_every_byte(mask), first, second, 0xCA);
}

TRINE_INLINE_AVX512 void unpack_2(const std::uint8_t* lines, __m512i (&q)[8]) noexcept {
  for (std::size_t i = 0; i < 2; ++i) {
    const __m512i line = load(lines + i * kLineBytes);
    q[4 * i] = field<0, 2>(line);
    q[4 * i + 1] = field<2, 2>(line);
    q[4 * i + 2] = field<4, 2>(line);
    q[4 * i + 3] = field<6, 2>(line);
  }
}

TRINE_INLINE_AVX512 void unpack_3(const std::uint8_t* lines, __m512i (&q)[8]) noexcept {
  const __m512i a = load(lines);
  const __m512i b = load(lines + kLineBytes);
  const __m512i c = load(lines + 2 * kLineBytes);
  q[0] = field<0, 3>(a);
  q[1] = field<3, 3>(a);
  q[2] = field<0, 3>(b);
  q[3] = field<3, 3>(b);
  q[4] = field<0, 3>(c);
  q[5] = field<3, 3>(c);
  q[6] = field<0, 3>(select(3, _mm512_srli_epi16(a, 6), _mm512_srli_epi16(c, 4)));
  q[7] = field<0, 3>(select(3, _mm512_srli_epi16(b, 6), _mm512_srli_epi16(c, 5)));
}

/// q[2i], q[2i+1] = the nibbles of line i, for four lines.
TRINE_INLINE_AVX512 void unpack_4(const std::uint8_t* lines, __m512i (&q)[8]) noexcept {
  for (std::size_t i = 0; i < 4; ++i) {
    const __m512i line = load(lines + i * kLineBytes);
    q[2 * i] = field<0, 4>(line);
    q[2 * i + 1] = field<4, 4>(line);
  }
}

/// The nibbles of four lines with bit j of the fifth line, worth 16, above the j-th.
TRINE_INLINE_AVX512 void unpack_5(const std::uint8_t* lines, __m512i (&q)[8]) noexcept {
  unpack_4(lines, q);
  const __m512i plane = load(lines + 4 * kLineBytes);
  const __m512i moved[8] = {_mm512_slli_epi16(plane, 4),
                            _mm512_slli_epi16(plane, 3),
                            _mm512_slli_epi16(plane, 2),
                            _mm512_slli_epi16(plane, 1),
                            plane,
                            _mm512_srli_epi16(plane, 1),
                            _mm512_srli_epi16(plane, 2),
                            _mm512_srli_epi16(plane, 3)};
  for (std::size_t j = 0; j < 8; ++j) q[j] = select(16, moved[j], q[j]);
}

/// The nibbles of four lines with the 2-bit fields of two more, worth 16, above them.
TRINE_INLINE_AVX512 void unpack_6(const std::uint8_t* lines, __m512i (&q)[8]) noexcept {
  unpack_4(lines, q);
  const __m512i a = load(lines + 4 * kLineBytes);
  const __m512i b = load(lines + 5 * kLineBytes);
  const __m512i upper[8] = {field<0, 2, 4>(a), field<2, 2, 4>(a), field<4, 2, 4>(a),
                            field<6, 2, 4>(a), field<0, 2, 4>(b), field<2, 2, 4>(b),
                            field<4, 2, 4>(b), field<6, 2, 4>(b)};
  for (std::size_t j = 0; j < 8; ++j) q[j] = _mm512_or_si512(q[j], upper[j]);
}

/// One chunk: operand j holds inputs 4j … 4j + 3 of sixteen outputs, a byte each.
template <int kBits>
TRINE_INLINE_AVX512 void unpack(const std::uint8_t* lines, __m512i (&q)[8]) noexcept {
  if constexpr (kBits == 2) unpack_2(lines, q);
  if constexpr (kBits == 3) unpack_3(lines, q);
  if constexpr (kBits == 4) unpack_4(lines, q);
  if constexpr (kBits == 5) unpack_5(lines, q);
  if constexpr (kBits == 6) unpack_6(lines, q);
  if constexpr (kBits == 8) {
    for (std::size_t j = 0; j < 8; ++j) q[j] = load(lines + j * kLineBytes);
  }
}

TRINE_INLINE_AVX512 __m512i four_digits(const std::uint8_t* digits) noexcept {
  std::int32_t word = 0;
  std::memcpy(&word, digits, sizeof word);
  return _mm512_set1_epi32(word);
}

/// A float of memory in all lanes. As an integer: on Zen 4 vpbroadcastd from memory is a load and no more,
/// vbroadcastss takes the place of an arithmetic operation besides.
TRINE_INLINE_AVX512 __m512 in_every_lane(const float* value) noexcept {
  std::int32_t bits = 0;
  std::memcpy(&bits, value, sizeof bits);
  return _mm512_castsi512_ps(_mm512_set1_epi32(bits));
}

struct Metadata {
  __m512 scales, zeros;
};

TRINE_INLINE_AVX512 __m512 sixteen_halves(const std::uint8_t* bytes) noexcept {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes)));
}

TRINE_INLINE_AVX512 __m512 sixteen_bytes(const std::uint8_t* bytes) noexcept {
  const auto* at = reinterpret_cast<const __m128i*>(bytes);
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(at)));
}

/// Sixteen scales and sixteen zeros in fp16: 16-bit metadata, or the row factors of 8-bit ones.
TRINE_INLINE_AVX512 Metadata load_halves(const std::uint8_t* source) noexcept {
  return {sixteen_halves(source), sixteen_halves(source + 2 * kBlockRows)};
}

/// Scales and zeros of one group at `source`; `rows` are the factors of 8-bit metadata.
template <bool kIsWide>
TRINE_INLINE_AVX512 Metadata load_metadata(const std::uint8_t* source, const Metadata& rows,
                                           float middle) noexcept {
  if constexpr (kIsWide) return load_halves(source);
  const __m512 steps =
      _mm512_sub_ps(sixteen_bytes(source + kBlockRows), _mm512_set1_ps(128.0f));
  return {_mm512_mul_ps(sixteen_bytes(source), rows.scales),
          _mm512_fmadd_ps(steps, rows.zeros, _mm512_set1_ps(middle))};
}

/// sum + scale · x_scale · (Σ code·digit − zero · Σ digit): the same operations in every kernel,
/// so a token's output does not depend on which one computed it.
TRINE_INLINE_AVX512 __m512 add_scaled(__m512i total, const Metadata& metadata,
                                      __m512 input_scale, __m512 input_sum,
                                      __m512 sum) noexcept {
  const __m512 centred = _mm512_fnmadd_ps(metadata.zeros, input_sum, _mm512_cvtepi32_ps(total));
  return _mm512_fmadd_ps(_mm512_mul_ps(metadata.scales, input_scale), centred, sum);
}
