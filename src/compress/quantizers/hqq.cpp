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
#include <cstring>
#include <vector>

#include "compress/quantizers/affine_group.h"
#include "compress/quantizers/grouping.h"
#include "compress/quantizers/metadata.h"
#include "compress/quantizers/quantizer.h"

namespace trine::compress {
namespace {

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

struct StepResult {
  float zero;        ///< the moved zero
  double error_sum;  ///< Σ |w − ŵ| before the move
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

/// Four floats that the compiler keeps in one register on every processor.
using Lanes = float __attribute__((vector_size(16)));

Lanes load(const float* values) {
  Lanes lanes;
  std::memcpy(&lanes, values, sizeof lanes);
  return lanes;
}

Lanes larger(Lanes a, Lanes b) { return a > b ? a : b; }
Lanes smaller(Lanes a, Lanes b) { return a < b ? a : b; }

/// One step of one group. The arithmetic of a lane is nearest_code()'s.
StepResult step(std::span<const float> weights, const Working& group, float max_code,
                const Shrink& shrink) {
  constexpr std::size_t kLanes = 4;
  constexpr Lanes kMagic = {0x1.8p23f, 0x1.8p23f, 0x1.8p23f, 0x1.8p23f};
  const Lanes nothing = {};
  const Lanes most_code = nothing + max_code;
  const float scale = 1.0f / group.inverse;
  Lanes zeros = {}, errors = {}, largest = {};
  const auto add = [&](Lanes weight) {
    const Lanes scaled = weight * group.inverse;
    const Lanes limited = smaller(larger(scaled + group.zero, nothing), most_code);
    const Lanes code = (limited + kMagic) - kMagic;
    const Lanes difference = weight - (code - group.zero) * scale;
    const Lanes error = larger(difference, -difference);
    zeros += code - scaled;
    errors += error;
    largest = larger(largest, error);
  };
  std::size_t i = 0;
  for (; i + kLanes <= weights.size(); i += kLanes) add(load(weights.data() + i));
  float zero_sum = zeros[0] + zeros[1] + zeros[2] + zeros[3];
  float error_sum = errors[0] + errors[1] + errors[2] + errors[3];
  float most = std::max({largest[0], largest[1], largest[2], largest[3]});
  for (; i < weights.size(); ++i) {  // the last group of a row may have any length
    const float scaled = weights[i] * group.inverse;
    const float code = nearest_code(scaled + group.zero, max_code);
    const float error = std::abs(weights[i] - (code - group.zero) * scale);
    zero_sum += code - scaled;
    error_sum += error;
    most = std::max(most, error);
  }
  // At the scale of language-model weights (errors of 10^-3) the shrink never fires: the norm's
  // powers are only computed behind this bound.
  if (most > shrink.threshold) {
    return {shrunk_zero(weights, group, max_code, shrink), error_sum};
  }
  return {zero_sum / static_cast<float>(weights.size()), error_sum};
}

class Hqq final : public Quantizer {
 public:
  Result<QuantizedMatrix> quantize(MatrixView weights,
                                   const QuantizerOptions& options) const override {
    TRINE_ASSIGN_OR_RETURN(QuantizedMatrix matrix, start_matrix(weights, options));
    const auto max_code = static_cast<float>((1 << options.bits) - 1);
    start_at_min_max(weights, matrix, max_code, options.threads);
    move_zeros(weights, matrix, max_code, options.threads);
    finish(weights, matrix, max_code, options.threads);
    round_metadata(weights, matrix, options);
    return matrix;
  }

 private:
  /// Until finish(), `scales` holds inverse scales, and 0 for groups kept as RTN makes them.
  static void start_at_min_max(MatrixView weights, QuantizedMatrix& matrix, float max_code,
                               int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (std::size_t row = 0; row < weights.rows; ++row) {
      for_each_group(weights, matrix, row, [&](const GroupView& group) {
        const Range range = range_of(group.weights);
        const float inverse = std::min(max_code / (range.high - range.low), kLargestInverse);
        const float zero = -range.low * inverse;
        const bool keeps = range.low != range.high && is_storable({1.0f / inverse, zero});
        group.scale = keeps ? inverse : 0.0f;
        group.zero = keeps ? zero : 0.0f;
      });
    }
  }

  static void move_zeros(MatrixView weights, QuantizedMatrix& matrix, float max_code,
                         int threads) {
    double best = kWorstError;
    double penalty = kFirstPenalty;
    std::vector<double> row_errors(weights.rows);
    for (int count = 0; count < kMostSteps; ++count, penalty *= kPenaltyGrowth) {
      const Shrink shrink(penalty);
#pragma omp parallel for num_threads(threads) schedule(static)
      for (std::size_t row = 0; row < weights.rows; ++row) {
        double sum = 0.0;
        for_each_group(weights, matrix, row, [&](const GroupView& group) {
          if (group.scale == 0.0f) return;
          const StepResult moved =
              step(group.weights, {group.scale, group.zero}, max_code, shrink);
          group.zero = moved.zero;
          sum += moved.error_sum;
        });
        row_errors[row] = sum;
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
        for (std::size_t i = 0; i < group.weights.size(); ++i) {
          const float code =
              nearest_code(group.weights[i] * grid.inverse + grid.zero, max_code);
          group.codes[i] = static_cast<std::uint8_t>(code);
        }
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
