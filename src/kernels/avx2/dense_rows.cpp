// Many dot products at once, each with its own order of sums whatever its company.
//
// One eight-lane sum per output: tiles of 3 rows × 4 inputs keep twelve of them in flight, which
// hides the latency of a fused multiply-add (4 cycles, 2 per cycle) and reads each register of
// weights once for four inputs. A lone input gets tiles of 8 rows. Neither changes an output.
#include <immintrin.h>

#include <algorithm>
#include <cmath>

#include "kernels/avx2/dense.h"
#include "kernels/avx2/elements.h"
#include "kernels/avx2/target.h"

namespace trine::kernels::avx2 {
namespace {

TRINE_INLINE_AVX2 float sum_of(__m256 eight) noexcept {
  const __m128 four =
      _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

constexpr std::size_t kLineBytes = 64;

/// As in avx512/dense_rows.cpp, where it was measured.
constexpr std::size_t kFetchAheadBytes = 8192;

/// From how many bytes on a few inputs' weights are read as several streams, as in avx512/dense_rows.cpp.
constexpr std::size_t kLongBytes = std::size_t{1} << 20;

/// Where a tile's outputs go: data[input · stride + row · row_step].
struct TileRows {
  float* data;
  std::size_t stride, row_step;
};

/// kRows × kInputs outputs; `weights` and `inputs` begin at the first of them.
template <class Element, std::size_t kRows, std::size_t kInputs>
TRINE_INLINE_AVX2 void dot_tile(const WeightRows& weights, const InputRows& inputs,
                                std::size_t count, const TileRows& output) noexcept {
  __m256 sums[kRows][kInputs];
  for (auto& row : sums) {
    for (__m256& sum : row) sum = _mm256_setzero_ps();
  }
  const std::size_t whole = count / kLanes * kLanes;
  for (std::size_t i = 0; i < whole; i += kLanes) {
    __m256 loaded[kRows];
    for (std::size_t row = 0; row < kRows; ++row) {
      const std::uint8_t* at = weights.data + row * weights.row_bytes + i * Element::kBytes;
      loaded[row] = Element::load(at);
      if (i * Element::kBytes % kLineBytes == 0) {
        _mm_prefetch(reinterpret_cast<const char*>(at + kFetchAheadBytes), _MM_HINT_T1);
      }
    }
    for (std::size_t input = 0; input < kInputs; ++input) {
      __m256 values = _mm256_loadu_ps(inputs.data + input * inputs.stride + i);
      // Keeps the compiler from loading it once per row: 15 loads for 12 multiply-adds would be
      // more than the two per cycle there are.
      asm("" : "+x"(values));
      for (std::size_t row = 0; row < kRows; ++row) {
        sums[row][input] = _mm256_fmadd_ps(loaded[row], values, sums[row][input]);
      }
    }
  }
  for (std::size_t row = 0; row < kRows; ++row) {
    const std::uint8_t* mine = weights.data + row * weights.row_bytes;
    for (std::size_t input = 0; input < kInputs; ++input) {
      float sum = sum_of(sums[row][input]);
      for (std::size_t i = whole; i < count; ++i) {
        sum +=
            Element::one(mine + i * Element::kBytes) * inputs.data[input * inputs.stride + i];
      }
      output.data[input * output.stride + row * output.row_step] = sum;
    }
  }
}

/// All rows for kInputs inputs.
template <class Element, std::size_t kRows, std::size_t kInputs>
TRINE_TARGET_AVX2 void dot_strip(const WeightRows& weights, const InputRows& inputs,
                                 std::size_t count, float* output,
                                 std::size_t stride) noexcept {
  WeightRows rest = weights;
  std::size_t row = 0;
  if (kInputs < 4 && weights.num_rows * weights.row_bytes >= kLongBytes) {
    const std::size_t part = weights.num_rows / kRows;
    rest.row_bytes = part * weights.row_bytes;
    for (; row < part; ++row) {
      rest.data = weights.data + row * weights.row_bytes;
      dot_tile<Element, kRows, kInputs>(rest, inputs, count, {output + row, stride, part});
    }
    rest.row_bytes = weights.row_bytes;
    row = kRows * part;
  }
  for (; row + kRows <= weights.num_rows; row += kRows) {
    rest.data = weights.data + row * weights.row_bytes;
    dot_tile<Element, kRows, kInputs>(rest, inputs, count, {output + row, stride, 1});
  }
  for (; row < weights.num_rows; ++row) {
    rest.data = weights.data + row * weights.row_bytes;
    dot_tile<Element, 1, kInputs>(rest, inputs, count, {output + row, stride, 1});
  }
}

template <class Element>
void dots(const WeightRows& weights, const InputRows& inputs, std::size_t count,
          const OutputRows& output) noexcept {
  InputRows rest = inputs;
  std::size_t input = 0;
  for (; input + 4 <= inputs.num_rows; input += 4) {
    rest.data = inputs.data + input * inputs.stride;
    dot_strip<Element, 3, 4>(weights, rest, count, output.data + input * output.stride,
                             output.stride);
  }
  for (; input + 2 <= inputs.num_rows; input += 2) {
    rest.data = inputs.data + input * inputs.stride;
    dot_strip<Element, 4, 2>(weights, rest, count, output.data + input * output.stride,
                             output.stride);
  }
  for (; input < inputs.num_rows; ++input) {
    rest.data = inputs.data + input * inputs.stride;
    dot_strip<Element, 8, 1>(weights, rest, count, output.data + input * output.stride,
                             output.stride);
  }
}

/// Columns [first, first + kVectors · 8) of kRows rows of outputs.
template <std::size_t kRows, std::size_t kVectors>
TRINE_INLINE_AVX2 void weighted_tile(const InputRows& factors, const InputRows& values,
                                     std::size_t first, float* output,
                                     std::size_t stride) noexcept {
  __m256 sums[kRows][kVectors];
  for (std::size_t row = 0; row < kRows; ++row) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      sums[row][v] = _mm256_loadu_ps(output + row * stride + first + v * kLanes);
    }
  }
  for (std::size_t k = 0; k < values.num_rows; ++k) {
    __m256 loaded[kVectors];
    for (std::size_t v = 0; v < kVectors; ++v) {
      loaded[v] = _mm256_loadu_ps(values.data + k * values.stride + first + v * kLanes);
    }
    for (std::size_t row = 0; row < kRows; ++row) {
      const __m256 factor = _mm256_set1_ps(factors.data[row * factors.stride + k]);
      for (std::size_t v = 0; v < kVectors; ++v) {
        sums[row][v] = _mm256_fmadd_ps(factor, loaded[v], sums[row][v]);
      }
    }
  }
  for (std::size_t row = 0; row < kRows; ++row) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      _mm256_storeu_ps(output + row * stride + first + v * kLanes, sums[row][v]);
    }
  }
}

template <std::size_t kRows>
TRINE_TARGET_AVX2 void weighted_strip(const InputRows& factors, const InputRows& values,
                                      std::size_t width, float* output,
                                      std::size_t stride) noexcept {
  std::size_t i = 0;
  for (; i + 2 * kLanes <= width; i += 2 * kLanes) {
    weighted_tile<kRows, 2>(factors, values, i, output, stride);
  }
  for (; i + kLanes <= width; i += kLanes) {
    weighted_tile<kRows, 1>(factors, values, i, output, stride);
  }
  for (; i < width; ++i) {
    for (std::size_t row = 0; row < kRows; ++row) {
      float sum = output[row * stride + i];
      for (std::size_t k = 0; k < values.num_rows; ++k) {
        sum = std::fma(factors.data[row * factors.stride + k],
                       values.data[k * values.stride + i], sum);
      }
      output[row * stride + i] = sum;
    }
  }
}

}  // namespace

void dots_f32(WeightRows weights, InputRows inputs, std::size_t count,
              const OutputRows& output) noexcept {
  dots<F32>(weights, inputs, count, output);
}
void dots_f16(WeightRows weights, InputRows inputs, std::size_t count,
              const OutputRows& output) noexcept {
  dots<F16>(weights, inputs, count, output);
}
void dots_bf16(WeightRows weights, InputRows inputs, std::size_t count,
               const OutputRows& output) noexcept {
  dots<BF16>(weights, inputs, count, output);
}

void add_weighted(InputRows factors, InputRows values, std::size_t width,
                  const OutputRows& output) noexcept {
  InputRows rest = factors;
  std::size_t row = 0;
  for (; row + 4 <= factors.num_rows; row += 4) {
    rest.data = factors.data + row * factors.stride;
    weighted_strip<4>(rest, values, width, output.data + row * output.stride, output.stride);
  }
  for (; row < factors.num_rows; ++row) {
    rest.data = factors.data + row * factors.stride;
    weighted_strip<1>(rest, values, width, output.data + row * output.stride, output.stride);
  }
}

TRINE_TARGET_AVX2 void narrow_f16(const float* source, std::uint8_t* target,
                                  std::size_t count) noexcept {
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const __m128i eight =
        _mm256_cvtps_ph(_mm256_loadu_ps(source + i), _MM_FROUND_TO_NEAREST_INT);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(target + 2 * i), eight);
  }
  for (; i < count; ++i) {
    const std::uint16_t bits = float_to_f16(source[i]);
    std::memcpy(target + 2 * i, &bits, sizeof bits);
  }
}

}  // namespace trine::kernels::avx2
