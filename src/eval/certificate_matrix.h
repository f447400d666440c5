// What quantization did to one matrix, and what that can do to its outputs.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "base/result.h"
#include "core/model_spec.h"
#include "models/weight_source.h"

namespace trine::eval {

/// The bounds of a certificate. The first three need nothing of the packed model but its weights;
/// the others run parts of it and bound the rest.
enum BoundKind : std::size_t {
  kStepBound,         ///< certain: from the quantizer's steps, the theory's
  kNormBound,         ///< certain: from the norms of the exact weight errors
  kProbabilityBound,  ///< from the steps, holds with a stated probability under the error model
  kBlockBound,  ///< certain: each packed block is run on the original's inputs; what later blocks
                ///< make of the change is bounded
  kStateBound,  ///< certain: all is run up to the decision, and that is bounded: it holds for
                ///< every state as far from the original's as the packed model's
  kBoundKinds,
};

/// Those with a bound for every output of a matrix.
inline constexpr std::size_t kRowKinds = 3;
/// Those whose radii are carried from block to block; the state's are observed.
inline constexpr std::size_t kCarriedKinds = 4;

/// One number per kind of bound.
using PerKind = std::array<double, kBoundKinds>;

/// Sizes of a block of rows of the original W, of what is computed with instead (Ŵ, with its
/// compensator) and of their difference; upper bounds of largest singular values.
struct RowPart {
  double error = 0.0;
  double packed = 0.0;
  double original = 0.0;
  double rounding = 0.0;  ///< √Σ rounding² of its rows, see MatrixErrors
  double digits = 0.0;    ///< √Σ digits² of its rows
};

/// Errors of one matrix in groups of inputs. What the outputs of the two can differ by for the
/// same input is, besides the error, what their arithmetic rounds: rounding·‖x‖ + digits·η(x).
struct MatrixErrors {
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::size_t group_size = 0;
  std::size_t num_groups = 0;
  bool is_packed = false;           ///< else nothing was done to it and all errors are 0
  std::vector<float> radii{};       ///< [rows, groups] max(½ step, largest |error|)
  std::vector<float> norms{};       ///< [rows, groups] ‖error‖₂
  std::vector<double> row_norms{};  ///< [rows] ‖ŵ‖₂ of what is computed with
  std::vector<double> rounding{};   ///< [rows] of the sums in fp32
  std::vector<double> digits{};  ///< [rows] ‖ŵ‖₂: what an input's rounding to digits meets
  std::vector<RowPart> parts{};    ///< equal blocks of rows (heads), or one
  std::size_t clipped_groups = 0;  ///< with an error above half a step

  [[nodiscard]] std::size_t part_rows() const noexcept { return rows / parts.size(); }
};

/// Reads both forms of `spec`. @param num_parts divides its rows. @param scale multiplies every
/// error and slack; other than 1 only to show that a certificate too small is found out.
[[nodiscard]] Result<MatrixErrors> measure_errors(const MatrixSpec& spec,
                                                  const models::WeightSource& original,
                                                  const models::WeightSource& packed,
                                                  std::size_t num_parts, double scale,
                                                  int threads);

/// Sizes of some inputs, [tokens, groups] and [tokens].
struct InputSizes {
  std::vector<float> sums{};           ///< Σ|x| per group
  std::vector<float> norms{};          ///< ‖x‖₂ per group
  std::vector<float> squares{};        ///< ‖x‖₂² per group
  std::vector<double> lengths{};       ///< ‖x‖₂
  std::vector<double> digit_errors{};  ///< η(x): ‖x − x̂‖₂ is at most this
};

/// @param inputs [num_tokens, width].
[[nodiscard]] InputSizes measure_inputs(const float* inputs, std::size_t num_tokens,
                                        std::size_t width, std::size_t group_size);

/// Largest change of every output for known inputs, rounding included, [tokens, rows] per kind.
struct RowBounds {
  std::array<std::vector<float>, kRowKinds> values{};

  /// Of `kind` at index `i`; 0 for a kind that takes the packed outputs as they are.
  [[nodiscard]] double at(BoundKind kind, std::size_t i) const {
    return kind < kRowKinds ? values[kind][i] : 0.0f;
  }
};

/// @param factor multiplies the root of the squared radii: deviation_factor() of a probability.
[[nodiscard]] RowBounds bound_rows(const MatrixErrors& errors, const InputSizes& inputs,
                                   double factor, int threads);

/// Largest ‖change‖₂ of part `part` of one token's outputs for an input known up to `radius`:
/// the rows' bounds or singular values, whichever is smaller, and rounding. For kBlockBound the
/// change is from the packed outputs, and `inputs` are what the packed matrix was given.
[[nodiscard]] double bound_part(const MatrixErrors& errors, const RowBounds& rows,
                                const InputSizes& inputs, std::size_t token, std::size_t part,
                                BoundKind kind, double radius);

/// What one packed output rounds on two sides.
[[nodiscard]] double row_rounding(const MatrixErrors& errors, const InputSizes& inputs,
                                  std::size_t token, std::size_t row);

/// What one output of row `row` can move by when its input moves by `radius`, rounding included.
[[nodiscard]] double moved_row(const MatrixErrors& errors, std::size_t row, double radius);

/// Largest ‖outputs‖₂ of what is computed with, for any input of at most `length`.
[[nodiscard]] double largest_output(const MatrixErrors& errors, double length);

}  // namespace trine::eval
