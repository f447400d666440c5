// The epilogue of a compensator on 256-bit registers: as avx512/low_rank_body.h, which explains it,
// with the sixteen ranks of a row block in two halves.
#include <immintrin.h>

#include "kernels/avx2/dense.h"
#include "kernels/avx2/target.h"
#include "kernels/avx2/unpack.h"
#include "kernels/digit_layout.h"
#include "kernels/each_width.h"

namespace trine::kernels::avx2 {
namespace {

/// How far ahead a group is asked for: a group takes some 30 ns, memory 100 and more.
constexpr std::size_t kFetchAheadGroups = 6;

/// Ranks whose digits share a scale: 256 · 255 · 16319 still fits 32 bits.
constexpr std::size_t kPartRanks = 256;
constexpr std::size_t kPartHalves = kPartRanks / kHalfRows;
constexpr std::size_t kOutputsPerOperand = 4;
constexpr std::size_t kMostOperands = kMostGroupSize / kOutputsPerOperand;

/// One group of outputs of up to kPartHalves half row blocks, four ranks of an output in each lane.
struct FactorPanel {
  alignas(32) std::uint8_t codes[kPartHalves][kMostOperands * kHalfBytes];
  Metadata metadata[kPartHalves];
  std::size_t num_ranks;
};

/// Digits of scale · projected for the ranks of a panel: 128 · high + low, times step.
struct FactorDigits {
  __m256i high[kPartHalves], low[kPartHalves];
  float step;
  float zeros;  ///< Σ zero · (128 · high + low)
};

TRINE_INLINE_AVX2 std::size_t halves_of(const FactorPanel& panel) noexcept {
  return (panel.num_ranks + kHalfRows - 1) / kHalfRows;
}

TRINE_INLINE_AVX2 void fetch_group(const std::uint8_t* row_block, const PackedLayout& layout,
                                   std::size_t group) noexcept {
  const std::uint8_t* lines = row_block + layout.codes_offset(group);
  for (std::size_t line = 0; line <= layout.codes_bytes(); line += kLineBytes) {
    _mm_prefetch(reinterpret_cast<const char*>(lines + line), _MM_HINT_T0);
  }
}

template <int kBits>
TRINE_TARGET_AVX2 void unpack_factor(const std::uint8_t* row_blocks, const PackedLayout& layout,
                                     std::size_t group, FactorPanel& panel) noexcept {
  const __m256i turned = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
  for (std::size_t half = 0; half < halves_of(panel); ++half) {
    const std::uint8_t* row_block = row_blocks + half / 2 * layout.row_block_bytes();
    const std::uint8_t* lines = row_block + layout.codes_offset(group) + half % 2 * kHalfBytes;
    std::uint8_t* target = panel.codes[half];
    if (half % 2 == 0) fetch_group(row_block, layout, group + kFetchAheadGroups);
    for (std::size_t chunk = 0; chunk < layout.num_chunks_per_group(); ++chunk) {
      __m256i q[8];
      unpack<kBits>(lines + chunk * kBits * kLineBytes, q);
      for (std::size_t j = 0; j < 8; ++j, target += kHalfBytes) {
        _mm256_store_si256(reinterpret_cast<__m256i*>(target),
                           _mm256_shuffle_epi8(q[j], turned));
      }
    }
    panel.metadata[half] = load_metadata(row_block, layout, group, half % 2);
  }
}

/// Four digits in each 128 bits, four times over, from eight in 32 bits each.
TRINE_INLINE_AVX2 __m256i spread_digits(__m256i digits) noexcept {
  const __m128i words =
      _mm_packs_epi32(_mm256_castsi256_si128(digits), _mm256_extracti128_si256(digits, 1));
  const __m128i bytes = _mm_packs_epi16(words, words);
  return _mm256_permutevar8x32_epi32(_mm256_castsi128_si256(bytes),
                                     _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1));
}

TRINE_INLINE_AVX2 float largest_lane(__m256 values) noexcept {
  const __m128 four =
      _mm_max_ps(_mm256_castps256_ps128(values), _mm256_extractf128_ps(values, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

TRINE_INLINE_AVX2 float added_lanes(__m256 values) noexcept {
  const __m128 four =
      _mm_add_ps(_mm256_castps256_ps128(values), _mm256_extractf128_ps(values, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

/// Ones in the first `count` lanes, at most eight.
TRINE_INLINE_AVX2 __m256i first_lanes(std::size_t count) noexcept {
  const auto limit = static_cast<int>(count < kHalfRows ? count : kHalfRows);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(limit),
                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

TRINE_TARGET_AVX2 void split_factors(const FactorPanel& panel, const float* projected,
                                     FactorDigits& digits) noexcept {
  const std::size_t halves = halves_of(panel);
  const __m256 sign = _mm256_set1_ps(-0.0f);
  __m256 factors[kPartHalves];
  __m256 magnitudes = _mm256_setzero_ps();
  for (std::size_t half = 0; half < halves; ++half) {
    const __m256i present = first_lanes(panel.num_ranks - half * kHalfRows);
    factors[half] = _mm256_mul_ps(panel.metadata[half].scales,
                                  _mm256_maskload_ps(projected + half * kHalfRows, present));
    magnitudes = _mm256_max_ps(magnitudes, _mm256_andnot_ps(sign, factors[half]));
  }
  const DigitScale scale = digit_scale<2>(largest_lane(magnitudes));
  const __m256 inverse = _mm256_set1_ps(scale.inverse);
  __m256 zeros = _mm256_setzero_ps();
  for (std::size_t half = 0; half < halves; ++half) {
    const __m256i value = _mm256_cvtps_epi32(_mm256_mul_ps(factors[half], inverse));
    const __m256i high = _mm256_srai_epi32(_mm256_add_epi32(value, _mm256_set1_epi32(64)), 7);
    digits.high[half] = spread_digits(high);
    digits.low[half] = spread_digits(_mm256_sub_epi32(value, _mm256_slli_epi32(high, 7)));
    zeros = _mm256_fmadd_ps(panel.metadata[half].zeros, _mm256_cvtepi32_ps(value), zeros);
  }
  digits.step = scale.scale;
  digits.zeros = added_lanes(zeros);
}

/// Adds to each 32-bit lane the products of its four codes with its four digits. Up to 6 bits a pair
/// fits 16 bits (2 · 63 · 127), 8-bit codes are split into nibbles.
template <int kBits>
TRINE_INLINE_AVX2 __m256i dot(__m256i sum, __m256i codes, __m256i digits) noexcept {
  const __m256i ones = _mm256_set1_epi16(1);
  if constexpr (kBits == 8) {
    const __m256i mask = _mm256_set1_epi8(15);
    const __m256i low = _mm256_maddubs_epi16(_mm256_and_si256(codes, mask), digits);
    const __m256i high =
        _mm256_maddubs_epi16(_mm256_and_si256(shifted<4>(codes), mask), digits);
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(high, _mm256_set1_epi16(16)));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(low, ones));
  } else {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(codes, digits), ones));
  }
}

/// Adds what the panel's ranks are worth to the first `count` outputs of its group.
template <int kBits>
TRINE_TARGET_AVX2 void add_factors(const FactorPanel& panel, const FactorDigits& digits,
                                   std::size_t count, float* output) noexcept {
  constexpr std::size_t kTogether = 2 * kOutputsPerOperand;
  const std::size_t halves = halves_of(panel);
  for (std::size_t first = 0; first < count; first += kTogether) {
    __m256i sums[2][2];
    for (auto& sum : sums) sum[0] = sum[1] = _mm256_setzero_si256();
    for (std::size_t half = 0; half < halves; ++half) {
      const std::uint8_t* codes = panel.codes[half] + first / kOutputsPerOperand * kHalfBytes;
      for (std::size_t i = 0; i < 2; ++i) {
        const __m256i q = load(codes + i * kHalfBytes);
        sums[i][0] = dot<kBits>(sums[i][0], q, digits.high[half]);
        sums[i][1] = dot<kBits>(sums[i][1], q, digits.low[half]);
      }
    }
    __m256i totals[2];
    for (std::size_t i = 0; i < 2; ++i) {
      totals[i] = _mm256_add_epi32(_mm256_slli_epi32(sums[i][0], 7), sums[i][1]);
    }
    const __m256i added =
        _mm256_add_epi32(_mm256_permute2x128_si256(totals[0], totals[1], 0x20),
                         _mm256_permute2x128_si256(totals[0], totals[1], 0x31));
    const __m256 centred =
        _mm256_sub_ps(_mm256_cvtepi32_ps(added), _mm256_set1_ps(digits.zeros));
    const __m256i present = first_lanes(count - first);
    const __m256 before = _mm256_maskload_ps(output + first, present);
    _mm256_maskstore_ps(output + first, present,
                        _mm256_fmadd_ps(centred, _mm256_set1_ps(digits.step), before));
  }
}

template <int kBits>
TRINE_TARGET_AVX2 void add_groups(const PackedMatrixView& left, GroupRange outputs,
                                  const float* projected, std::size_t num_tokens,
                                  const OutputRows& output) noexcept {
  const PackedLayout& layout = left.layout;
  const std::size_t rank = layout.out_features;
  FactorPanel panel;
  FactorDigits digits;
  for (std::size_t group = outputs.begin; group < outputs.end; ++group) {
    const std::size_t first = group * layout.group_size;
    const std::size_t left_over = layout.in_features - first;
    const std::size_t count = left_over < layout.group_size ? left_over : layout.group_size;
    for (std::size_t row = 0; row < rank; row += kPartRanks) {
      panel.num_ranks = rank - row < kPartRanks ? rank - row : kPartRanks;
      unpack_factor<kBits>(left.blocks.data() + row / kBlockRows * layout.row_block_bytes(),
                           layout, group, panel);
      for (std::size_t token = 0; token < num_tokens; ++token) {
        split_factors(panel, projected + token * rank + row, digits);
        add_factors<kBits>(panel, digits, count, output.data + token * output.stride + first);
      }
    }
  }
}

}  // namespace

void add_low_rank(const PackedMatrixView& left, GroupRange outputs, const float* projected,
                  std::size_t num_tokens, const OutputRows& output) noexcept {
  with_width(left.layout.bits, [&](auto bits) {
    add_groups<bits>(left, outputs, projected, num_tokens, output);
  });
}

}  // namespace trine::kernels::avx2
