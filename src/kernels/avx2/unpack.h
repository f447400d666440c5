// Codes, scales and zeros of packed blocks on 256-bit registers: half a block, eight outputs, at a
// time.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/avx2/target.h"
#include "kernels/block_codec.h"

namespace trine::kernels::avx2 {

inline constexpr std::size_t kHalfRows = 8;
inline constexpr std::size_t kHalfBytes = 32;

TRINE_INLINE_AVX2 __m256i load(const std::uint8_t* bytes) noexcept {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes));
}

template <int kShift>
TRINE_INLINE_AVX2 __m256i shifted(__m256i value) noexcept {
  return kShift == 0 ? value : _mm256_srli_epi16(value, kShift);
}

/// q[2i], q[2i+1] = the nibbles of line i, for four lines.
TRINE_INLINE_AVX2 void unpack_nibbles(const std::uint8_t* lines, __m256i (&q)[8]) noexcept {
  const __m256i mask = _mm256_set1_epi8(15);
  for (std::size_t i = 0; i < 4; ++i) {
    const __m256i line = load(lines + i * kLineBytes);
    q[2 * i] = _mm256_and_si256(line, mask);
    q[2 * i + 1] = _mm256_and_si256(shifted<4>(line), mask);
  }
}

/// The four 2-bit fields of one line.
TRINE_INLINE_AVX2 void unpack_quads(const std::uint8_t* line, __m256i (&q)[4]) noexcept {
  const __m256i mask = _mm256_set1_epi8(3);
  const __m256i value = load(line);
  q[0] = _mm256_and_si256(value, mask);
  q[1] = _mm256_and_si256(shifted<2>(value), mask);
  q[2] = _mm256_and_si256(shifted<4>(value), mask);
  q[3] = _mm256_and_si256(shifted<6>(value), mask);
}

TRINE_INLINE_AVX2 void unpack_3(const std::uint8_t* lines, __m256i (&q)[8]) noexcept {
  const __m256i seven = _mm256_set1_epi8(7);
  const __m256i three = _mm256_set1_epi8(3);
  const __m256i four = _mm256_set1_epi8(4);
  const __m256i a = load(lines);
  const __m256i b = load(lines + kLineBytes);
  const __m256i c = load(lines + 2 * kLineBytes);
  q[0] = _mm256_and_si256(a, seven);
  q[1] = _mm256_and_si256(shifted<3>(a), seven);
  q[2] = _mm256_and_si256(b, seven);
  q[3] = _mm256_and_si256(shifted<3>(b), seven);
  q[4] = _mm256_and_si256(c, seven);
  q[5] = _mm256_and_si256(shifted<3>(c), seven);
  q[6] = _mm256_or_si256(_mm256_and_si256(shifted<6>(a), three),
                         _mm256_and_si256(shifted<4>(c), four));
  q[7] = _mm256_or_si256(_mm256_and_si256(shifted<6>(b), three),
                         _mm256_and_si256(shifted<5>(c), four));
}

/// Adds bit j of the plane, worth 16, to q[j].
TRINE_INLINE_AVX2 void add_fifth_bits(const std::uint8_t* plane, __m256i (&q)[8]) noexcept {
  const __m256i sixteen = _mm256_set1_epi8(16);
  const __m256i value = load(plane);
  const __m256i moved[8] = {_mm256_slli_epi16(value, 4),
                            _mm256_slli_epi16(value, 3),
                            _mm256_slli_epi16(value, 2),
                            _mm256_slli_epi16(value, 1),
                            value,
                            shifted<1>(value),
                            shifted<2>(value),
                            shifted<3>(value)};
  for (std::size_t j = 0; j < 8; ++j) {
    q[j] = _mm256_or_si256(q[j], _mm256_and_si256(moved[j], sixteen));
  }
}

template <int kBits>
TRINE_INLINE_AVX2 void unpack(const std::uint8_t* lines, __m256i (&q)[8]) noexcept {
  if constexpr (kBits == 2 || kBits == 6) {
    const std::uint8_t* pairs = kBits == 2 ? lines : lines + 4 * kLineBytes;
    __m256i first[4], second[4];
    unpack_quads(pairs, first);
    unpack_quads(pairs + kLineBytes, second);
    if constexpr (kBits == 6) unpack_nibbles(lines, q);
    for (std::size_t j = 0; j < 8; ++j) {
      const __m256i field = j < 4 ? first[j] : second[j - 4];
      q[j] = kBits == 2 ? field : _mm256_or_si256(q[j], _mm256_slli_epi16(field, 4));
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

struct Metadata {
  __m256 scales, zeros;
};

/// Eight scales and eight zeros in fp16 of a line of sixteen each.
TRINE_INLINE_AVX2 Metadata load_halves(const std::uint8_t* line, std::size_t half) noexcept {
  const auto* scales = reinterpret_cast<const __m128i*>(line + 2 * half * kHalfRows);
  const auto* zeros =
      reinterpret_cast<const __m128i*>(line + 2 * (kBlockRows + half * kHalfRows));
  return {_mm256_cvtph_ps(_mm_loadu_si128(scales)), _mm256_cvtph_ps(_mm_loadu_si128(zeros))};
}

/// Eight scales and eight zeros in bytes, whose factors begin the row block.
TRINE_INLINE_AVX2 Metadata load_bytes(const std::uint8_t* row_block, const std::uint8_t* source,
                                      std::size_t half, float middle) noexcept {
  const auto* scales = reinterpret_cast<const __m128i*>(source + half * kHalfRows);
  const auto* zeros = reinterpret_cast<const __m128i*>(source + kBlockRows + half * kHalfRows);
  const Metadata rows = load_halves(row_block, half);
  const __m256 steps = _mm256_sub_ps(
      _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(zeros))), _mm256_set1_ps(128.0f));
  return {_mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(scales))),
                        rows.scales),
          _mm256_fmadd_ps(steps, rows.zeros, _mm256_set1_ps(middle))};
}

/// Scales and zeros of eight outputs for one group.
TRINE_INLINE_AVX2 Metadata load_metadata(const std::uint8_t* row_block,
                                         const PackedLayout& layout, std::size_t group,
                                         std::size_t half) noexcept {
  const std::uint8_t* source = row_block + layout.metadata_offset(group);
  if (layout.metadata_bits == 16) return load_halves(source, half);
  return load_bytes(row_block, source, half, middle_code(layout.bits));
}

}  // namespace trine::kernels::avx2
