// Half-quadratic quantization (HQQ), as published: the scale stays at min/max, the zero is moved
// by proximal steps under an l_p norm, p = 0.7.
// Source: Badri and Shaji 2023, "Half-Quadratic Quantization of Large Machine Learning Models",
// and its released code's settings: β = 10, κ = 1.01, at most 20 steps, early stop on the mean
// error of the whole matrix, inverse scale at most 2·10^4.
//
// Two departures, both where fp16 cannot store what the published code computes: groups of equal
// weights are kept exactly, and a group farther from 0 than kLargestZero steps gets RTN's coarser
// scale. Neither occurs in trained weights.
#include <algorithm>
#include <cmath>
#include <vector>

#include "compress/quantizers/affine_group.h"
#include "compress/quantizers/grouping.h"
#include "compress/quantizers/metadata.h"
#include "compress/quantizers/quantizer.h"
#include "kernels/lanes.h"

namespace trine::compress {
namespace {

using kernels::kLanes;
using kernels::Lanes;

constexpr double kNorm = 0.7;            // p
constexpr double kFirstPenalty = 10.0;   // β
constexpr double kPenaltyGrowth = 1.01;  // κ
constexpr int kMostSteps = 20;
constexpr float kLargestInverse = 2e4f;
constexpr double kWorstError = 1e4;  // what the first step must beat

/// What a step needs to know about the penalty β.
struct Shrink {
  double penalty;
  float threshold;  ///< errors up to this size shrink to zero

  /// |e| − |e|^(p−1)/β > 0 exactly when |e| > β^(−1/(2−p)); a hair is taken off so that rounding
  /// never hides an error that the formula would keep.
  explicit Shrink(double beta)
      : penalty(beta),
        threshold(static_cast<float>(std::pow(beta, -1.0 / (2.0 - kNorm)) * 0.999)) {}

  /// Generalised soft threshold of one error.
  [[nodiscard]] float operator()(float error) const {
    const double size = std::abs(static_cast<double>(error));
    if (size == 0.0) return 0.0f;
    const double kept = std::max(0.0, size - std::pow(size, kNorm - 1.0) / penalty);
    return static_cast<float>(error < 0.0f ? -kept : kept);
  }
};

/// A group while its zero is moved; scales are kept inverted as in the published code.
struct Working {
  float inverse = 1.0f;
  float zero = 0.0f;
};

/// Zero for the next step when some error is large enough to survive the shrink.
float shrunk_zero(std::span<const float> weights, const Working& group, float max_code,
                  const Shrink& shrink) {
  double sum = 0.0;
  for (const float weight : weights) {
    const float code = nearest_code(weight * group.inverse + group.zero, max_code);
    const float error = weight - (code - group.zero) / group.inverse;
    sum += code - (weight - shrink(error)) * group.inverse;
  }
  return static_cast<float>(sum / static_cast<double>(weights.size()));
}

/// Σ code − w/scale, Σ |w − ŵ| and max |w − ŵ| over one group.
struct StepSums {
  float zeros = 0.0f;
  float errors = 0.0f;
  float largest = 0.0f;
};

/// The arithmetic of a lane is nearest_code()'s.
TRINE_EVERY_WIDTH StepSums step_sums(const float* weights, std::size_t count,
                                     const Working& group, float max_code) {
  const float scale = 1.0f / group.inverse;
  const Lanes nothing = {};
  const Lanes most_code = nothing + max_code, magic = nothing + 0x1.8p23f;
  Lanes zeros = {}, errors = {}, largest = {};
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    Lanes weight;
    kernels::load_lanes(weights + i, weight);
    const Lanes scaled = weight * group.inverse;
    Lanes code = scaled + group.zero;
    code = code > nothing ? code : nothing;
    code = code < most_code ? code : most_code;
    code = (code + magic) - magic;
    const Lanes difference = weight - (code - group.zero) * scale;
    const Lanes error = difference > -difference ? difference : -difference;
    zeros += code - scaled;
    errors += error;
    largest = largest > error ? largest : error;
  }
  StepSums sums{kernels::sum_of_lanes(zeros), kernels::sum_of_lanes(errors),
                kernels::largest_of_lanes(largest)};
  for (; i < count; ++i) {  // the last group of a row may have any length
    const float scaled = weights[i] * group.inverse;
    const float code = nearest_code(scaled + group.zero, max_code);
    const float error = std::abs(weights[i] - (code - group.zero) * scale);
    sums.zeros += code - scaled;
    sums.errors += error;
    sums.largest = std::max(sums.largest, error);
  }
  return sums;
}

/// The groups of one row while zeros are moved.
struct RowGroups {
  std::span<const float> weights;
  std::size_t group_size;
  std::span<const float> inverses;  ///< 0: kept as RTN makes it
  std::span<float> zeros;
  std::span<float> errors;             ///< Σ |w − ŵ| before the last move
  std::span<std::uint8_t> is_settled;  ///< no later step can move this one
};

/// One step of a row; returns Σ |w − ŵ| before the move. A group whose zero came back to the last
/// bit would only repeat itself, so it is left alone from then on: three steps do on average.
/// @param last_threshold below which errors of the last step shrink to zero.
double move_row(const RowGroups& row, float max_code, const Shrink& shrink,
                float last_threshold) {
  double total = 0.0;
  for (std::size_t index = 0; index < row.inverses.size(); ++index) {
    if (row.inverses[index] != 0.0f && row.is_settled[index] == 0) {
      const std::size_t first = index * row.group_size;
      const std::size_t count = std::min(row.group_size, row.weights.size() - first);
      const Working group{row.inverses[index], row.zeros[index]};
      const StepSums sums = step_sums(row.weights.data() + first, count, group, max_code);
      float moved = sums.zeros / static_cast<float>(count);
      // At the scale of language-model weights (errors of 10^-3) the shrink never fires: the
      // norm's powers are only computed behind this bound.
      if (sums.largest > shrink.threshold) {
        moved = shrunk_zero(row.weights.subspan(first, count), group, max_code, shrink);
      }
      row.is_settled[index] = moved == group.zero && sums.largest <= last_threshold ? 1 : 0;
      row.errors[index] = sums.errors;
      row.zeros[index] = moved;
    }
    total += row.errors[index];
  }
  return total;
}

/// Smallest and largest of a group, never empty.
TRINE_EVERY_WIDTH Range range_of_group(const float* weights, std::size_t count) {
  Range range{weights[0], weights[0]};
  std::size_t i = 0;
  if (count >= kLanes) {
    Lanes low, high;
    kernels::load_lanes(weights, low);
    high = low;
    for (i = kLanes; i + kLanes <= count; i += kLanes) {
      Lanes weight;
      kernels::load_lanes(weights + i, weight);
      low = weight < low ? weight : low;
      high = weight > high ? weight : high;
    }
    range = {-kernels::largest_of_lanes(-low), kernels::largest_of_lanes(high)};
  }
  for (; i < count; ++i) {
    range.low = std::min(range.low, weights[i]);
    range.high = std::max(range.high, weights[i]);
  }
  return range;
}

void start_row(const RowGroups& row, std::span<float> inverses, float max_code) {
  for (std::size_t index = 0; index < inverses.size(); ++index) {
    const std::size_t first = index * row.group_size;
    const Range range = range_of_group(row.weights.data() + first,
                                       std::min(row.group_size, row.weights.size() - first));
    const float inverse = std::min(max_code / (range.high - range.low), kLargestInverse);
    const float zero = -range.low * inverse;
    const bool keeps = range.low != range.high && is_storable({1.0f / inverse, zero});
    inverses[index] = keeps ? inverse : 0.0f;
    row.zeros[index] = keeps ? zero : 0.0f;
  }
}

TRINE_EVERY_WIDTH void round_group(std::span<const float> weights, const Working& grid,
                                   float max_code, std::span<std::uint8_t> codes) {
  for (std::size_t i = 0; i < weights.size(); ++i) {
    codes[i] = static_cast<std::uint8_t>(
        nearest_code(weights[i] * grid.inverse + grid.zero, max_code));
  }
}

class Hqq final : public Quantizer {
 public:
  Result<QuantizedMatrix> quantize(MatrixView weights,
                                   const QuantizerOptions& options) const override {
    TRINE_ASSIGN_OR_RETURN(QuantizedMatrix matrix, start_matrix(weights, options));
    const auto max_code = static_cast<float>((1 << options.bits) - 1);
    move_zeros(weights, matrix, max_code, options.threads);
    finish(weights, matrix, max_code, options.threads);
    round_metadata(weights, matrix, options);
    return matrix;
  }

 private:
  /// What the rows share while zeros are moved. Until finish(), `scales` holds inverse scales, and
  /// 0 for groups kept as RTN makes them.
  struct Steps {
    std::vector<float> errors;
    std::vector<std::uint8_t> is_settled;

    explicit Steps(std::size_t groups) : errors(groups), is_settled(groups) {}

    RowGroups row(MatrixView weights, QuantizedMatrix& matrix, std::size_t index) {
      const std::size_t groups = matrix.num_groups(), first = index * groups;
      return {weights.row(index),
              matrix.group_size,
              std::span<const float>(matrix.scales).subspan(first, groups),
              std::span<float>(matrix.zeros).subspan(first, groups),
              std::span<float>(errors).subspan(first, groups),
              std::span<std::uint8_t>(is_settled).subspan(first, groups)};
    }
  };

  static void move_zeros(MatrixView weights, QuantizedMatrix& matrix, float max_code,
                         int threads) {
    Steps steps(matrix.scales.size());
    const std::size_t groups = matrix.num_groups();
#pragma omp parallel for num_threads(threads) schedule(static)
    for (std::size_t row = 0; row < weights.rows; ++row) {
      start_row(steps.row(weights, matrix, row),
                std::span<float>(matrix.scales).subspan(row * groups, groups), max_code);
    }
    double best = kWorstError;
    double penalty = kFirstPenalty;
    const Shrink last(kFirstPenalty * std::pow(kPenaltyGrowth, kMostSteps));
    std::vector<double> row_errors(weights.rows);
    for (int count = 0; count < kMostSteps; ++count, penalty *= kPenaltyGrowth) {
      const Shrink shrink(penalty);
#pragma omp parallel for num_threads(threads) schedule(static)
      for (std::size_t row = 0; row < weights.rows; ++row) {
        row_errors[row] =
            move_row(steps.row(weights, matrix, row), max_code, shrink, last.threshold);
      }
      double total = 0.0;  // in row order, so that the stop does not depend on threads
      for (const double error : row_errors) total += error;
      const double mean = total / static_cast<double>(weights.values.size());
      if (!(mean < best)) break;
      best = mean;
    }
  }

  static void finish(MatrixView weights, QuantizedMatrix& matrix, float max_code, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (std::size_t row = 0; row < weights.rows; ++row) {
      for_each_group(weights, matrix, row, [&](const GroupView& group) {
        Working grid{group.scale, group.zero};
        if (group.scale == 0.0f || !is_storable({1.0f / group.scale, group.zero})) {
          const AffineGroup kept = min_max_group(range_of(group.weights), max_code);
          grid = {1.0f / kept.scale, kept.zero};
        }
        round_group(group.weights, grid, max_code, group.codes);
        group.scale = std::max(rounded_to_f16(1.0f / grid.inverse), kSmallestScale);
        group.zero = rounded_to_f16(grid.zero);
      });
    }
  }
};

}  // namespace

std::unique_ptr<Quantizer> make_hqq();
std::unique_ptr<Quantizer> make_hqq() { return std::make_unique<Hqq>(); }

}  // namespace trine::compress
