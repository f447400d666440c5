// The element types of dense weights: how eight values, or one, become fp32.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/dtype.h"
#include "kernels/avx2/target.h"

namespace trine::kernels::avx2 {

inline constexpr std::size_t kLanes = 8;

TRINE_INLINE_AVX2 __m128i load_128(const std::uint8_t* bytes) noexcept {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
}

// The three element types: eight values at once, and one.
struct F32 {
  static constexpr std::size_t kBytes = 4;
  TRINE_INLINE_AVX2 static __m256 load(const std::uint8_t* bytes) noexcept {
    return _mm256_castsi256_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes)));
  }
  static float one(const std::uint8_t* bytes) noexcept {
    float value = 0.0f;
    std::memcpy(&value, bytes, sizeof value);
    return value;
  }
};

struct F16 {
  static constexpr std::size_t kBytes = 2;
  TRINE_INLINE_AVX2 static __m256 load(const std::uint8_t* bytes) noexcept {
    return _mm256_cvtph_ps(load_128(bytes));
  }
  static float one(const std::uint8_t* bytes) noexcept {
    std::uint16_t value = 0;
    std::memcpy(&value, bytes, sizeof value);
    return f16_to_float(value);
  }
};

struct BF16 {
  static constexpr std::size_t kBytes = 2;
  TRINE_INLINE_AVX2 static __m256 load(const std::uint8_t* bytes) noexcept {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load_128(bytes)), 16));
  }
  static float one(const std::uint8_t* bytes) noexcept {
    std::uint16_t value = 0;
    std::memcpy(&value, bytes, sizeof value);
    return bf16_to_float(value);
  }
};

}  // namespace trine::kernels::avx2
