// Dot products with 16- and 32-bit weights, widening, and a plain read, on 256-bit registers.
#include "kernels/avx2/dense.h"

#include <immintrin.h>

#include "kernels/avx2/elements.h"
#include "kernels/avx2/target.h"

namespace trine::kernels::avx2 {
namespace {

/// Four sums hide the four-cycle latency of a fused multiply-add.
template <class Element>
TRINE_TARGET_AVX2 float dot(const std::uint8_t* weights, const float* input,
                            std::size_t count) noexcept {
  constexpr std::size_t kStep = 4 * kLanes;
  __m256 sums[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(),
                    _mm256_setzero_ps()};
  std::size_t i = 0;
  for (; i + kStep <= count; i += kStep) {
    for (std::size_t k = 0; k < 4; ++k) {
      const std::size_t at = i + k * kLanes;
      sums[k] = _mm256_fmadd_ps(Element::load(weights + at * Element::kBytes),
                                _mm256_loadu_ps(input + at), sums[k]);
    }
  }
  for (; i + kLanes <= count; i += kLanes) {
    sums[0] = _mm256_fmadd_ps(Element::load(weights + i * Element::kBytes),
                              _mm256_loadu_ps(input + i), sums[0]);
  }
  const __m256 eight =
      _mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3]));
  const __m128 four =
      _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  float sum = _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  for (; i < count; ++i) sum += Element::one(weights + i * Element::kBytes) * input[i];
  return sum;
}

template <class Element>
TRINE_TARGET_AVX2 void widen(const std::uint8_t* source, float* target,
                             std::size_t count) noexcept {
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    _mm256_storeu_ps(target + i, Element::load(source + i * Element::kBytes));
  }
  for (; i < count; ++i) target[i] = Element::one(source + i * Element::kBytes);
}

}  // namespace

float dot_f32(const std::uint8_t* weights, const float* input, std::size_t count) noexcept {
  return dot<F32>(weights, input, count);
}
float dot_f16(const std::uint8_t* weights, const float* input, std::size_t count) noexcept {
  return dot<F16>(weights, input, count);
}
float dot_bf16(const std::uint8_t* weights, const float* input, std::size_t count) noexcept {
  return dot<BF16>(weights, input, count);
}
void widen_f16(const std::uint8_t* source, float* target, std::size_t count) noexcept {
  widen<F16>(source, target, count);
}
void widen_bf16(const std::uint8_t* source, float* target, std::size_t count) noexcept {
  widen<BF16>(source, target, count);
}

TRINE_TARGET_AVX2 std::uint64_t read_all(const std::uint8_t* bytes,
                                         std::size_t count) noexcept {
  constexpr std::size_t kStep = 128;
  constexpr std::size_t kAhead = 2048;  // bytes; best of 512 … 8192 on Zen 4
  __m256i folded[4] = {};
  for (std::size_t i = 0; i + kStep <= count; i += kStep) {
    _mm_prefetch(reinterpret_cast<const char*>(bytes + i + kAhead), _MM_HINT_T0);
    _mm_prefetch(reinterpret_cast<const char*>(bytes + i + kAhead + 64), _MM_HINT_T0);
    for (std::size_t k = 0; k < 4; ++k) {
      const auto* at = reinterpret_cast<const __m256i*>(bytes + i + 32 * k);
      folded[k] = _mm256_xor_si256(folded[k], _mm256_loadu_si256(at));
    }
  }
  const __m256i all = _mm256_xor_si256(_mm256_xor_si256(folded[0], folded[1]),
                                       _mm256_xor_si256(folded[2], folded[3]));
  alignas(32) std::uint64_t lanes[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), all);
  return lanes[0] ^ lanes[1] ^ lanes[2] ^ lanes[3];
}

}  // namespace trine::kernels::avx2
