// Widening, and a plain read, on 256-bit registers.
#include "kernels/avx2/dense.h"

#include <immintrin.h>

#include "kernels/avx2/elements.h"
#include "kernels/avx2/target.h"

namespace trine::kernels::avx2 {
namespace {

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
