// Half-quadratic quantization (HQQ), as published: the scale stays at min/max, the zero is moved
// by proximal steps under an l_p norm, p = 0.7.
// Source: Badri and Shaji 2023, "Half-Quadratic Quantization of Large Machine Learning Models",
// and its released code's settings: β = 10, κ = 1.01, at most 20 steps, inverse scale at most
// 2·10^4.
//
// Three departures. Groups of equal weights are kept exactly, and a group farther from 0 than
// kLargestZero steps gets RTN's coarser scale: fp16 cannot store what the published code computes
// there, and neither occurs in trained weights. The published code ends all groups together, when
// the mean error of the whole matrix no longer falls; here each takes its steps until they change
// nothing, three on average, while its weights lie in the first cache.
//
// With options.start (MiLo's loop) zeros begin where the last pass left them and take two steps:
// the next pass goes on from there. After 22 passes at 3 bits that comes to a weight error of
// 0.17552 where all steps come to 0.17535.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "compress/quantizers/affine_group.h"
#include "compress/quantizers/grouping.h"
#include "compress/quantizers/metadata.h"
#include "compress/quantizers/quantizer.h"
#include "core/packed_matrix.h"
#include "kernels/lanes.h"
#include "kernels/linalg/coded_rows.h"

namespace trine::compress {
namespace {

using kernels::kLanes;
using kernels::Lanes;
using Eight = float __attribute__((vector_size(32)));
using EightInts = std::int32_t __attribute__((vector_size(32)));
using EightWords = std::uint32_t __attribute__((vector_size(32)));
using Ints = std::int32_t __attribute__((vector_size(64)));
using Words = std::uint32_t __attribute__((vector_size(64)));

constexpr double kNorm = 0.7;            // p
constexpr double kFirstPenalty = 10.0;   // β
constexpr double kPenaltyGrowth = 1.01;  // κ
constexpr int kMostHqqSteps = 20;
constexpr int kStepsFromStart = 2;
constexpr float kLargestInverse = 2e4f;
constexpr std::size_t kTogether = 8;  // groups; fewer would wait for their own sums
constexpr std::size_t kMostParts = kMostGroupSize / kLanes;

/// Errors up to this size shrink to zero at every step: |e| − |e|^(p−1)/β > 0 exactly when
/// |e| > β^(−1/(2−p)). A hair is taken off so that rounding never hides one that would not.
float largest_error_without_shrink() {
  const double penalty = kFirstPenalty * std::pow(kPenaltyGrowth, kMostHqqSteps);
  return static_cast<float>(std::pow(penalty, -1.0 / (2.0 - kNorm)) * 0.999);
}

/// Generalised soft threshold of one error.
float shrunk(float error, double penalty) {
  const double size = std::abs(static_cast<double>(error));
  if (size == 0.0) return 0.0f;
  const double kept = std::max(0.0, size - std::pow(size, kNorm - 1.0) / penalty);
  return static_cast<float>(error < 0.0f ? -kept : kept);
}

/// A group while its zero is moved; scales are kept inverted as in the published code.
struct Grid {
  float inverse = 1.0f;
  float zero = 0.0f;
};

/// All steps of one group of any length, powers included.
float settled_zero(std::span<const float> weights, Grid grid, float max_code) {
  double penalty = kFirstPenalty;
  const float harmless = largest_error_without_shrink();
  for (int step = 0; step < kMostHqqSteps; ++step, penalty *= kPenaltyGrowth) {
    double sum = 0.0;
    float largest = 0.0f;
    for (const float weight : weights) {
      const float code = nearest_code(weight * grid.inverse + grid.zero, max_code);
      const float error = weight - (code - grid.zero) / grid.inverse;
      largest = std::max(largest, std::abs(error));
      const float kept = std::abs(error) > harmless ? shrunk(error, penalty) : 0.0f;
      sum += code - (weight - kept) * grid.inverse;
    }
    const auto moved = static_cast<float>(sum / static_cast<double>(weights.size()));
    const bool is_settled = moved == grid.zero && largest <= harmless;
    grid.zero = moved;
    if (is_settled) break;
  }
  return grid.zero;
}

/// Eight groups of `parts` · 16 weights side by side, and what becomes of them.
struct EightGroups {
  std::array<const float*, kTogether> weights{};
  std::size_t parts = 0;
  const float* start_zeros = nullptr;  ///< where to begin; null: where min/max puts the zeros
  alignas(64) std::array<std::array<std::int32_t, kMostGroupSize>, kTogether> codes{};
  alignas(64) std::array<float, kTogether> scales{}, zeros{};  ///< fp16 numbers
};

/// result [8]: lane g is everything of lanes[g] put together by BOTH(a, b), halves with halves. A
/// macro, because the vectors must be in the cloned function itself; registers as wide as they come
/// take 24 shuffles for what four by four would be 70.
#define TRINE_ACROSS_EIGHT(WIDE, lanes, result, BOTH)                                          \
  do {                                                                                         \
    WIDE pairs[4], fours[2];                                                                   \
    for (std::size_t g = 0; g < 4; ++g) {                                                      \
      pairs[g] = BOTH(__builtin_shufflevector(lanes[2 * g], lanes[2 * g + 1], 0, 16, 1, 17, 4, \
                                              20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29),        \
                      __builtin_shufflevector(lanes[2 * g], lanes[2 * g + 1], 2, 18, 3, 19, 6, \
                                              22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31));     \
    }                                                                                          \
    for (std::size_t g = 0; g < 2; ++g) {                                                      \
      fours[g] = BOTH(__builtin_shufflevector(pairs[2 * g], pairs[2 * g + 1], 0, 1, 16, 17, 4, \
                                              5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29),        \
                      __builtin_shufflevector(pairs[2 * g], pairs[2 * g + 1], 2, 3, 18, 19, 6, \
                                              7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31));     \
    }                                                                                          \
    const WIDE both_fours =                                                                    \
        BOTH(__builtin_shufflevector(fours[0], fours[1], 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, \
                                     11, 24, 25, 26, 27),                                      \
             __builtin_shufflevector(fours[0], fours[1], 4, 5, 6, 7, 20, 21, 22, 23, 12, 13,   \
                                     14, 15, 28, 29, 30, 31));                                 \
    const auto low_half =                                                                      \
        __builtin_shufflevector(both_fours, both_fours, 0, 1, 2, 3, 4, 5, 6, 7);               \
    const auto high_half =                                                                     \
        __builtin_shufflevector(both_fours, both_fours, 8, 9, 10, 11, 12, 13, 14, 15);         \
    result = BOTH(low_half, high_half);                                                        \
  } while (false)

#define TRINE_SUM(a, b) ((a) + (b))
#define TRINE_LEAST(a, b) ((a) < (b) ? (a) : (b))
#define TRINE_MOST(a, b) ((a) > (b) ? (a) : (b))

/// The nearest fp16 numbers of those in fp16's normal range, which `is_normal` tells.
[[gnu::always_inline]] inline void round_to_f16(const Eight& values, Eight& rounded,
                                                EightInts& is_normal) {
  EightInts bits;
  std::memcpy(&bits, &values, sizeof bits);
  const EightInts size = bits & 0x7FFFFFFF;
  is_normal = (size >= 0x38800000) & (size < 0x477FE000);
  bits = (bits + 0xFFF + (bits >> 13 & 1)) & ~0x1FFF;
  std::memcpy(&rounded, &bits, sizeof rounded);
}

/// Scaled weights plus zero plus 1.5 · 2^23 are whole codes in the low bits of the float, rounded
/// by the adder, and can be limited and summed as integers.
constexpr float kMagic = 0x1.8p23f;
constexpr std::int32_t kMagicBits = 0x4B400000;

/// Smallest and largest weight of each.
TRINE_EVERY_WIDTH void ranges_of_eight(const EightGroups& groups, Eight& low, Eight& high) {
  const std::size_t parts = groups.parts;
  Lanes lows[kTogether], highs[kTogether];
  for (std::size_t g = 0; g < kTogether; ++g) {
    Lanes smallest, largest;
    kernels::load_lanes(groups.weights[g], smallest);
    largest = smallest;
    for (std::size_t part = 1; part < parts; ++part) {
      Lanes weight;
      kernels::load_lanes(groups.weights[g] + part * kLanes, weight);
      smallest = weight < smallest ? weight : smallest;
      largest = weight > largest ? weight : largest;
    }
    lows[g] = smallest;
    highs[g] = largest;
  }
  TRINE_ACROSS_EIGHT(Lanes, lows, low, TRINE_LEAST);
  TRINE_ACROSS_EIGHT(Lanes, highs, high, TRINE_MOST);
}

/// All of HQQ for eight groups, as quantize_group() does it for one.
/// @return -1 in the lanes of groups that need quantize_group(): an error might have survived the
///         shrink, all weights are equal, or fp16 holds the grid badly. The rest of what is
///         returned means nothing for them.
TRINE_EVERY_WIDTH void quantize_eight(EightGroups& groups, float max_code, float harmless,
                                      EightInts& is_special) {
  const std::size_t parts = groups.parts;
  Eight low, high;
  ranges_of_eight(groups, low, high);
  const Eight nothing = {}, half = nothing + 0.5f, most_inverse = nothing + kLargestInverse;
  Eight inverses = max_code / (high - low);  // infinite for equal weights
  inverses = inverses < most_inverse ? inverses : most_inverse;
  const Eight outermost = -low * inverses, one = nothing + 1.0f;
  Eight zeros = outermost;
  if (groups.start_zeros != nullptr) {
    std::memcpy(&zeros, groups.start_zeros, sizeof zeros);
    const Eight away = zeros > outermost ? zeros - outermost : outermost - zeros;
    zeros = away < one ? zeros : outermost;  // the range has become another
  }

  Lanes scaled[kTogether][kMostParts], sums[kTogether];
  for (std::size_t g = 0; g < kTogether; ++g) {
    sums[g] = Lanes{};
    for (std::size_t part = 0; part < parts; ++part) {
      Lanes weight;
      kernels::load_lanes(groups.weights[g] + part * kLanes, weight);
      scaled[g][part] = weight * inverses[g];
      sums[g] += scaled[g][part];
    }
  }
  Eight scaled_sums;
  TRINE_ACROSS_EIGHT(Lanes, sums, scaled_sums, TRINE_SUM);

  const Ints least = Ints{} + kMagicBits;
  const Ints most = least + static_cast<std::int32_t>(max_code);
  const Lanes magic = Lanes{} + kMagic;
  const Eight share = nothing + 1.0f / static_cast<float>(parts * kLanes);
  // No weight is farther from its code than half a step, or, where the grid ends before it, than
  // the zero has moved.
  const Eight harmless_steps = harmless * inverses;
  EightInts may_shrink = {};
  const int most_steps = groups.start_zeros != nullptr ? kStepsFromStart : kMostHqqSteps;
  for (int step = 0; step < most_steps; ++step) {
    const Eight moves = zeros > outermost ? zeros - outermost : outermost - zeros;
    may_shrink |= (moves > half ? moves : half) > harmless_steps;
    Words codes[kTogether] = {};
    for (std::size_t part = 0; part < parts; ++part) {
      for (std::size_t g = 0; g < kTogether; ++g) {
        const Lanes rounded = (scaled[g][part] + zeros[g]) + magic;
        Ints code;
        std::memcpy(&code, &rounded, sizeof code);
        code = code > least ? code : least;
        code = code < most ? code : most;
        Words word;
        std::memcpy(&word, &code, sizeof word);
        codes[g] += word;
      }
    }
    EightWords totals;
    TRINE_ACROSS_EIGHT(Words, codes, totals, TRINE_SUM);
    totals -= static_cast<std::uint32_t>(parts * kLanes) *
              static_cast<std::uint32_t>(kMagicBits);  // modulo 2^32, as the sums are
    EightInts whole;
    std::memcpy(&whole, &totals, sizeof whole);
    const Eight moved = (__builtin_convertvector(whole, Eight) - scaled_sums) * share;
    const EightInts differs = moved != zeros;
    zeros = moved;
    std::int64_t any[4];
    std::memcpy(any, &differs, sizeof any);
    if ((any[0] | any[1] | any[2] | any[3]) == 0) break;
  }

  for (std::size_t g = 0; g < kTogether; ++g) {
    for (std::size_t part = 0; part < parts; ++part) {
      const Lanes rounded = (scaled[g][part] + zeros[g]) + magic;
      Ints code;
      std::memcpy(&code, &rounded, sizeof code);
      code = code > least ? code : least;
      code = (code < most ? code : most) - least;
      std::memcpy(groups.codes[g].data() + part * kLanes, &code, sizeof code);
    }
  }
  Eight stored_scales, stored_zeros;
  EightInts is_scale_normal, is_zero_normal;
  round_to_f16(1.0f / inverses, stored_scales, is_scale_normal);
  round_to_f16(zeros, stored_zeros, is_zero_normal);
  std::memcpy(groups.scales.data(), &stored_scales, sizeof stored_scales);
  std::memcpy(groups.zeros.data(), &stored_zeros, sizeof stored_zeros);
  const Eight far = nothing + kLargestZero;
  is_special = may_shrink | (low == high) | ~is_scale_normal | ~is_zero_normal | (zeros > far) |
               (-zeros > far) | (outermost > far) | (-outermost > far);
}

/// The published start of a group.
Grid min_max_grid(Range range, float max_code) {
  const float inverse = std::min(max_code / (range.high - range.low), kLargestInverse);
  return {inverse, -range.low * inverse};
}

bool can_be_stored(const Grid& grid) { return is_storable({1.0f / grid.inverse, grid.zero}); }

void round_group(const GroupView& group, const Grid& grid, float max_code) {
  for (std::size_t i = 0; i < group.weights.size(); ++i) {
    group.codes[i] = static_cast<std::uint8_t>(
        nearest_code(group.weights[i] * grid.inverse + grid.zero, max_code));
  }
}

void store_grid(const GroupView& group, const Grid& grid) {
  group.scale = std::max(rounded_to_f16(1.0f / grid.inverse), kSmallestScale);
  group.zero = rounded_to_f16(grid.zero);
}

/// One group by itself: a short one, or one with something special about it.
void quantize_group(const GroupView& group, float max_code) {
  const Range range = range_of(group.weights);
  Grid grid = min_max_grid(range, max_code);
  const bool is_plain = range.low != range.high && can_be_stored(grid);
  if (is_plain) grid.zero = settled_zero(group.weights, grid, max_code);
  if (!is_plain || !can_be_stored(grid)) {
    const AffineGroup kept = min_max_group(range, max_code);
    grid = {1.0f / kept.scale, kept.zero};
  }
  round_group(group, grid, max_code);
  store_grid(group, grid);
}

class Hqq final : public RowQuantizer {
 public:
  void quantize_panel(const Panel& panel, const QuantizerOptions& options,
                      QuantizedMatrix& matrix) const override {
    for (std::size_t row = 0; row < panel.weights.rows; ++row) {
      quantize_row(panel, row, options, matrix);
    }
    round_metadata(panel, matrix, options);
  }

 private:
  static void quantize_row(const Panel& panel, std::size_t row, const QuantizerOptions& options,
                           QuantizedMatrix& matrix) {
    const auto max_code = static_cast<float>((1 << options.bits) - 1);
    static const float harmless = largest_error_without_shrink();
    static const kernels::CodedRowLoops& loops = *kernels::runnable_coded_row_loops().back();
    const std::size_t size = matrix.group_size, whole = panel.weights.cols / size;
    EightGroups groups;
    groups.parts = size / kLanes;
    for (std::size_t first = 0; first < whole; first += kTogether) {
      const std::size_t count = std::min(kTogether, whole - first);
      const GroupView begin = group_of(panel, matrix, row, first);
      for (std::size_t g = 0; g < kTogether; ++g) {  // the last one stands in for missing ones
        groups.weights[g] = begin.weights.data() + std::min(g, count - 1) * size;
      }
      std::array<float, kTogether> starts{};
      if (options.start != nullptr) {
        const float* zero = options.start->zeros.data() + (&begin.zero - matrix.zeros.data());
        std::copy_n(zero, count, starts.begin());
        groups.start_zeros = starts.data();
      }
      EightInts is_special;
      quantize_eight(groups, max_code, harmless, is_special);
      for (std::size_t g = 0; g < count; ++g) {
        if (is_special[g] != 0) {
          quantize_group(group_of(panel, matrix, row, first + g), max_code);
          continue;
        }
        loops.narrow_codes(groups.codes[g].data(), size, begin.codes.data() + g * size);
        (&begin.scale)[g] = groups.scales[g];
        (&begin.zero)[g] = groups.zeros[g];
      }
    }
    if (panel.weights.cols % size != 0) {
      quantize_group(group_of(panel, matrix, row, whole), max_code);
    }
  }
};

}  // namespace

std::unique_ptr<Quantizer> make_hqq();
std::unique_ptr<Quantizer> make_hqq() { return std::make_unique<Hqq>(); }

}  // namespace trine::compress
