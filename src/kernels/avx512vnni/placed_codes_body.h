// Codes as operands of vpdpbusd, left at the bits of their bytes where a mask finds them: moving them to bit 0
// would take as many operations again. Included after avx512/unpack_body.h.

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

/// Where the codes of the last step lie, and with them the sums in the end.
template <int kBits>
constexpr int last_place() noexcept {
  return steps<kBits>().step[steps<kBits>().count - 1].place;
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
