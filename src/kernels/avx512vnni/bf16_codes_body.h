// Codes of packed blocks as bf16, where every integer up to 255 is exact: two inputs of sixteen outputs
// a register. Included after avx512/unpack_body.h.

/// bf16 of the integers 0 … 63, in the lower half of a table as often as they fit for `bits` below 6.
struct CodeTable {
  alignas(kLineBytes) std::uint16_t of[64];
};
template <int kBits>
constexpr CodeTable code_table() noexcept {
  CodeTable table{};
  for (unsigned i = 0; i < 64; ++i) {
    const auto code = static_cast<float>(i & ((1u << kBits) - 1u));
    table.of[i] = static_cast<std::uint16_t>(__builtin_bit_cast(std::uint32_t, code) >> 16);
  }
  return table;
}
template <int kBits>
inline constexpr CodeTable kCodeTable = code_table<kBits>();

/// Eight bits are too many for a table: they are converted, of each 32 bits the lowest byte and the
/// third one.
TRINE_INLINE_AVX512 __m512i converted_pair(__m512i bytes) noexcept {
  const __m512i byte = _mm512_set1_epi32(0xFF);
  const __m512 low = _mm512_cvtepi32_ps(_mm512_and_si512(bytes, byte));
  const __m512 high = _mm512_cvtepi32_ps(_mm512_and_si512(_mm512_srli_epi32(bytes, 16), byte));
  return _mm512_or_si512(_mm512_srli_epi32(_mm512_castps_si512(low), 16),
                         _mm512_castps_si512(high));
}

/// Operand `half` of the two that four codes of an output make: inputs 0 and 2 of the four, or 1 and
/// 3. A table of 32 words looks at five bits of a word, one of 64 at six, so the other byte of a
/// word is not in the way and a shift is all that the odd codes need.
template <int kBits>
TRINE_INLINE_AVX512 __m512i bf16_pair(__m512i bytes, std::size_t half) noexcept {
  const __m512i placed = half == 0 ? bytes : _mm512_srli_epi16(bytes, 8);
  if constexpr (kBits == 8) return converted_pair(placed);
  const __m512i table = _mm512_load_si512(kCodeTable<kBits>.of);
  if constexpr (kBits < 6) return _mm512_permutexvar_epi16(placed, table);
  return _mm512_permutex2var_epi16(table, placed, _mm512_load_si512(kCodeTable<kBits>.of + 32));
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
