// Many dot products at once, each with its own order of sums whatever its company.
//
// One sixteen-lane sum per output. A tile is rows × inputs: 8 × 1 … 8 × 3 and 4 × 4 … 4 × 6, so any
// few inputs (the tokens of one expert) need one pass over the weights. Zen 4 does one 512-bit
// multiply-add a clock with a latency of 4: tiles of 8 to 24 sums hide it. Per 16 columns a tile of
// 4 × 6 loads 4 rows of weights and 6 of inputs for 24 multiply-adds; one 512-bit load a clock is
// what there is. Rows are short (256 columns are 16 multiply-adds), so the sums of four rows are
// folded together: 14 operations for four outputs instead of 8 for each.
#include <algorithm>
#include <array>

#include "kernels/avx512/dense.h"
#include "kernels/avx512_intrinsics.h"

#define TRINE_TARGET_AVX512 \
  __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq")))

namespace trine::kernels::avx512 {
namespace {

constexpr std::size_t kLanes = 16;
constexpr std::size_t kLineBytes = 64;

/// How far ahead weights are asked for, into the L2 cache. Tiles take several short rows at once, so
/// the hardware sees no long stream, and it stops at the end of a page. Measured on Zen 4 with 28 MB
/// of 512 × 256 weights in bf16, multiply-adds a clock of one core for 1, 4 and 16 inputs: 1.2, 7.5,
/// 12.8 when the next tile is asked for, 2.1, 10.9, 12.0 at 4 kB, 3.6, 11.3, 12.1 at 8 kB.
constexpr std::size_t kFetchAheadBytes = 8192;

/// The first `count` of sixteen lanes.
inline __mmask16 first_lanes(std::size_t count) noexcept {
  return static_cast<__mmask16>((1u << count) - 1u);
}

// The element types: sixteen values as fp32; a part of them where kIsWhole is false: the others are
// zero and not read.
struct F32 {
  static constexpr std::size_t kBytes = 4;
  template <bool kIsWhole>
  TRINE_INLINE_AVX512 static __m512 load(const std::uint8_t* bytes, __mmask16 part) noexcept {
    if constexpr (kIsWhole) return _mm512_loadu_ps(bytes);
    return _mm512_maskz_loadu_ps(part, bytes);
  }
};

template <bool kIsWhole>
TRINE_INLINE_AVX512 __m256i load_halves(const std::uint8_t* bytes, __mmask16 part) noexcept {
  if constexpr (kIsWhole) return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes));
  return _mm256_maskz_loadu_epi16(part, bytes);
}

struct F16 {
  static constexpr std::size_t kBytes = 2;
  template <bool kIsWhole>
  TRINE_INLINE_AVX512 static __m512 load(const std::uint8_t* bytes, __mmask16 part) noexcept {
    return _mm512_cvtph_ps(load_halves<kIsWhole>(bytes, part));
  }
};

struct BF16 {
  static constexpr std::size_t kBytes = 2;
  template <bool kIsWhole>
  TRINE_INLINE_AVX512 static __m512 load(const std::uint8_t* bytes, __mmask16 part) noexcept {
    const __m512i wide = _mm512_cvtepu16_epi32(load_halves<kIsWhole>(bytes, part));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
  }
};

/// The sums of the lanes of a, b, c and d, halves added to halves.
TRINE_INLINE_AVX512 __m128 sums_of(__m512 a, __m512 b, __m512 c, __m512 d) noexcept {
  const __m512 ab =
      _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xEE));
  const __m512 cd =
      _mm512_add_ps(_mm512_shuffle_f32x4(c, d, 0x44), _mm512_shuffle_f32x4(c, d, 0xEE));
  const __m512 four =
      _mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xDD));
  const __m512 two = _mm512_add_ps(four, _mm512_permute_ps(four, 0x4E));
  const __m512 one = _mm512_add_ps(two, _mm512_permute_ps(two, 0xB1));
  const __m512i firsts = _mm512_setr_epi32(0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  return _mm512_castps512_ps128(_mm512_permutexvar_ps(firsts, one));
}

/// Sixteen lanes per output of a tile.
template <std::size_t kRows, std::size_t kInputs>
struct Sums {
  __m512 of[kRows][kInputs];
};

/// Adds sixteen columns, or the part of them that there is.
template <class Element, bool kIsWhole, std::size_t kRows, std::size_t kInputs>
TRINE_INLINE_AVX512 void add_columns(const WeightRows& weights, const InputRows& inputs,
                                     std::size_t column, __mmask16 part,
                                     Sums<kRows, kInputs>& sums) noexcept {
  const std::uint8_t* rows = weights.data + column * Element::kBytes;
  // The smaller side stays in registers. Without the asm the compiler would load a value of the
  // other one once per multiply-add.
  if constexpr (kRows <= kInputs) {
    __m512 loaded[kRows];
#pragma GCC unroll 8
    for (std::size_t row = 0; row < kRows; ++row) {
      loaded[row] = Element::template load<kIsWhole>(rows + row * weights.row_bytes, part);
    }
#pragma GCC unroll 8
    for (std::size_t input = 0; input < kInputs; ++input) {
      const float* at = inputs.data + input * inputs.stride + column;
      __m512 values = F32::load<kIsWhole>(reinterpret_cast<const std::uint8_t*>(at), part);
      asm("" : "+v"(values));
#pragma GCC unroll 8
      for (std::size_t row = 0; row < kRows; ++row) {
        sums.of[row][input] = _mm512_fmadd_ps(loaded[row], values, sums.of[row][input]);
      }
    }
  } else {
    __m512 values[kInputs];
#pragma GCC unroll 8
    for (std::size_t input = 0; input < kInputs; ++input) {
      const float* at = inputs.data + input * inputs.stride + column;
      values[input] = F32::load<kIsWhole>(reinterpret_cast<const std::uint8_t*>(at), part);
    }
#pragma GCC unroll 8
    for (std::size_t row = 0; row < kRows; ++row) {
      __m512 loaded = Element::template load<kIsWhole>(rows + row * weights.row_bytes, part);
      asm("" : "+v"(loaded));
#pragma GCC unroll 8
      for (std::size_t input = 0; input < kInputs; ++input) {
        sums.of[row][input] = _mm512_fmadd_ps(loaded, values[input], sums.of[row][input]);
      }
    }
  }
}

/// Where a tile's outputs go: data[input · stride + row · row_step].
struct TileRows {
  float* data;
  std::size_t stride, row_step;
};

/// Four outputs of one input from `row` on.
TRINE_INLINE_AVX512 void store_four(__m128 four, const TileRows& output, std::size_t input,
                                    std::size_t row) noexcept {
  float* target = output.data + input * output.stride + row * output.row_step;
  if (output.row_step == 1) return _mm_storeu_ps(target, four);
  alignas(16) float values[4];
  _mm_store_ps(values, four);
  for (std::size_t i = 0; i < 4; ++i) target[i * output.row_step] = values[i];
}

/// kRows × kInputs outputs; `weights` and `inputs` begin at the first of them.
template <class Element, std::size_t kRows, std::size_t kInputs>
TRINE_TARGET_AVX512 void dot_tile(const WeightRows& weights, const InputRows& inputs,
                                  std::size_t count, const TileRows& output) noexcept {
  Sums<kRows, kInputs> sums;
#pragma GCC unroll 8
  for (auto& row : sums.of) {
#pragma GCC unroll 8
    for (__m512& sum : row) sum = _mm512_setzero_ps();
  }
  constexpr std::size_t kLine = kLineBytes / Element::kBytes;
  std::size_t column = 0;
  for (; column + kLanes <= count; column += kLanes) {
    if (column % kLine == 0) {
      const std::uint8_t* ahead = weights.data + column * Element::kBytes + kFetchAheadBytes;
#pragma GCC unroll 8
      for (std::size_t row = 0; row < kRows; ++row) {
        const std::uint8_t* at = ahead + row * weights.row_bytes;
        _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T1);
      }
    }
    add_columns<Element, true>(weights, inputs, column, 0, sums);
  }
  if (column < count) {
    add_columns<Element, false>(weights, inputs, column, first_lanes(count - column), sums);
  }
  const __m512 none = _mm512_setzero_ps();
#pragma GCC unroll 8
  for (std::size_t input = 0; input < kInputs; ++input) {
    if constexpr (kRows == 1) {
      const __m128 four = sums_of(sums.of[0][input], none, none, none);
      _mm_store_ss(output.data + input * output.stride, four);
    } else {
#pragma GCC unroll 2
      for (std::size_t row = 0; row < kRows; row += 4) {
        const __m128 four = sums_of(sums.of[row][input], sums.of[row + 1][input],
                                    sums.of[row + 2][input], sums.of[row + 3][input]);
        store_four(four, output, input, row);
      }
    }
  }
}

using TileFunction = void(const WeightRows&, const InputRows&, std::size_t,
                          const TileRows&) noexcept;

/// Tiles of kRows rows, by number of inputs less one. 24 sums at most: there are 32 registers.
template <class Element, std::size_t kRows>
constexpr auto kTiles = std::array<TileFunction*, 6>{
    dot_tile<Element, kRows, 1>, dot_tile<Element, kRows, 2>, dot_tile<Element, kRows, 3>,
    dot_tile<Element, kRows, 4>, dot_tile<Element, kRows, 5>, dot_tile<Element, kRows, 6>};
template <class Element>
constexpr auto kTiles<Element, 8> = std::array<TileFunction*, 3>{
    dot_tile<Element, 8, 1>, dot_tile<Element, 8, 2>, dot_tile<Element, 8, 3>};

/// kRows rows for all inputs, a few at a time.
template <class Element, std::size_t kRows>
void dot_rows(const WeightRows& weights, const InputRows& inputs, std::size_t count,
              const TileRows& output) noexcept {
  constexpr std::size_t kMost = kTiles<Element, kRows>.size();
  const std::size_t strips = (inputs.num_rows + kMost - 1) / kMost;
  InputRows strip = inputs;
  std::size_t first = 0;
  for (std::size_t index = 0; index < strips; ++index) {
    // 7 inputs are 4 and 3, not 6 and 1.
    strip.num_rows = (inputs.num_rows - first + strips - index - 1) / (strips - index);
    strip.data = inputs.data + first * inputs.stride;
    kTiles<Element, kRows>[strip.num_rows - 1](
        weights, strip, count,
        {output.data + first * output.stride, output.stride, output.row_step});
    first += strip.num_rows;
  }
}

/// From how many bytes on a few inputs' weights are read as eight streams.
constexpr std::size_t kLongBytes = std::size_t{1} << 20;

/// A few inputs times 8 · part rows, each tile's rows `part` from each other: the processor follows eight
/// long runs of memory better than one. 32000 rows of 4096 bf16, one input, one core: 75 to 85 → 82 to 90 %
/// of a plain read.
template <class Element>
void dot_streams(WeightRows weights, const InputRows& inputs, std::size_t count,
                 std::size_t part, TileRows output) noexcept {
  const std::size_t row_bytes = weights.row_bytes;
  weights.row_bytes = part * row_bytes;
  for (std::size_t row = 0; row < part; ++row) {
    dot_rows<Element, 8>(weights, inputs, count, output);
    weights.data += row_bytes;
    ++output.data;
  }
}

/// Inputs that every tile of rows is applied to before the next tile: as many as stay in half of
/// the L2 cache, and those of a few short rows in the L1 cache.
constexpr std::size_t kInputBytes = std::size_t{512} << 10;

template <class Element>
void dots(const WeightRows& weights, const InputRows& inputs, std::size_t count,
          const OutputRows& output) noexcept {
  const std::size_t most =
      std::max<std::size_t>(6, kInputBytes / (sizeof(float) * (count + 1)));
  for (std::size_t first = 0; first < inputs.num_rows; first += most) {
    InputRows some = inputs;
    some.num_rows = std::min(most, inputs.num_rows - first);
    some.data = inputs.data + first * inputs.stride;
    WeightRows rest = weights;
    std::size_t row = 0;
    const auto advance = [&](std::size_t rows) {
      row += rows;
      rest.data = weights.data + row * weights.row_bytes;
    };
    const auto target = [&] {
      return TileRows{output.data + first * output.stride + row, output.stride, 1};
    };
    if (some.num_rows <= kTiles<Element, 8>.size()) {
      if (weights.num_rows * weights.row_bytes >= kLongBytes) {
        const std::size_t part = weights.num_rows / 8;
        dot_streams<Element>(weights, some, count, part,
                             {output.data + first * output.stride, output.stride, part});
        advance(8 * part);
      }
      for (; row + 8 <= weights.num_rows; advance(8)) {
        dot_rows<Element, 8>(rest, some, count, target());
      }
    }
    for (; row + 4 <= weights.num_rows; advance(4)) {
      dot_rows<Element, 4>(rest, some, count, target());
    }
    for (; row < weights.num_rows; advance(1)) {
      dot_rows<Element, 1>(rest, some, count, target());
    }
  }
}

/// Columns [first, first + kVectors · 16) of kRows rows of outputs, the last ones as `part` says.
template <std::size_t kRows, std::size_t kVectors>
TRINE_TARGET_AVX512 void weighted_tile(const InputRows& factors, const InputRows& values,
                                       std::size_t first, __mmask16 part, float* output,
                                       std::size_t stride) noexcept {
  __mmask16 lanes[kVectors];
#pragma GCC unroll 4
  for (std::size_t v = 0; v < kVectors; ++v) lanes[v] = v + 1 < kVectors ? 0xFFFF : part;
  __m512 sums[kRows][kVectors];
#pragma GCC unroll 4
  for (std::size_t row = 0; row < kRows; ++row) {
#pragma GCC unroll 4
    for (std::size_t v = 0; v < kVectors; ++v) {
      sums[row][v] =
          _mm512_maskz_loadu_ps(lanes[v], output + row * stride + first + v * kLanes);
    }
  }
  for (std::size_t k = 0; k < values.num_rows; ++k) {
    __m512 loaded[kVectors];
#pragma GCC unroll 4
    for (std::size_t v = 0; v < kVectors; ++v) {
      const float* at = values.data + k * values.stride + first + v * kLanes;
      loaded[v] = _mm512_maskz_loadu_ps(lanes[v], at);
    }
#pragma GCC unroll 4
    for (std::size_t row = 0; row < kRows; ++row) {
      const __m512 factor = _mm512_set1_ps(factors.data[row * factors.stride + k]);
#pragma GCC unroll 4
      for (std::size_t v = 0; v < kVectors; ++v) {
        sums[row][v] = _mm512_fmadd_ps(factor, loaded[v], sums[row][v]);
      }
    }
  }
#pragma GCC unroll 4
  for (std::size_t row = 0; row < kRows; ++row) {
#pragma GCC unroll 4
    for (std::size_t v = 0; v < kVectors; ++v) {
      _mm512_mask_storeu_ps(output + row * stride + first + v * kLanes, lanes[v], sums[row][v]);
    }
  }
}

template <std::size_t kRows>
void weighted_strip(const InputRows& factors, const InputRows& values, std::size_t width,
                    float* output, std::size_t stride) noexcept {
  std::size_t i = 0;
  for (; i + 4 * kLanes <= width; i += 4 * kLanes) {
    weighted_tile<kRows, 4>(factors, values, i, 0xFFFF, output, stride);
  }
  if (i + 2 * kLanes <= width) {
    weighted_tile<kRows, 2>(factors, values, i, 0xFFFF, output, stride);
    i += 2 * kLanes;
  }
  for (; i < width; i += kLanes) {
    const __mmask16 part = first_lanes(std::min(kLanes, width - i));
    weighted_tile<kRows, 1>(factors, values, i, part, output, stride);
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
  const auto advance = [&](std::size_t rows) {
    row += rows;
    rest.data = factors.data + row * factors.stride;
  };
  const auto target = [&] { return output.data + row * output.stride; };
  for (; row + 4 <= factors.num_rows; advance(4)) {
    weighted_strip<4>(rest, values, width, target(), output.stride);
  }
  for (; row + 2 <= factors.num_rows; advance(2)) {
    weighted_strip<2>(rest, values, width, target(), output.stride);
  }
  for (; row < factors.num_rows; advance(1)) {
    weighted_strip<1>(rest, values, width, target(), output.stride);
  }
}

}  // namespace trine::kernels::avx512
