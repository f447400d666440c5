#include "eval/certificate_matrix.h"

#include <algorithm>
#include <cmath>

#include "eval/certificate_bounds.h"
#include "kernels/block_codec.h"
#include "kernels/linalg/blas.h"
#include "kernels/widened.h"

namespace trine::eval {
namespace {

/// |x − x̂| ≤ max|x| / 32638 within a group (kernels/kernel_table.h); 2 % are added for the
/// roundings of the scale and of its inverse.
constexpr double kDigitStep = 1.0 / 32000.0;
constexpr std::size_t kLargestGroup = 128;

/// Rows of the dense form of either side; what a row of a packed matrix weighs in rounding.
struct Widened {
  std::vector<float> values{};
  std::vector<double> magnitudes{};  ///< [rows] ≥ ‖ |code·scale| + |zero·scale| ‖₂
  std::vector<float> scales{};       ///< [rows, groups]
};

std::vector<float> widen(const models::WeightView& view, const MatrixSpec& spec, int threads) {
  const std::size_t rows = spec.out_features;
  const std::size_t cols = spec.in_features;
  if (const auto* packed = models::codes_of(view)) return kernels::dequantize(*packed);
  if (const auto* reader = std::get_if<std::shared_ptr<const RowReader>>(&view)) {
    return kernels::widened(**reader, rows, cols, threads);
  }
  return kernels::widened(std::get<TensorView>(view), rows, cols, threads);
}

Widened widen_packed(const PackedMatrixView& view) {
  const PackedLayout& layout = view.layout;
  const std::size_t groups = layout.num_groups();
  Widened wide{.values = kernels::dequantize(view),
               .magnitudes = std::vector<double>(layout.out_features),
               .scales = std::vector<float>(layout.out_features * groups)};
  const double largest_code = (1 << layout.bits) - 1;
  for (std::size_t row = 0; row < layout.out_features; ++row) {
    const std::uint8_t* block =
        view.blocks.data() + row / kBlockRows * layout.row_block_bytes();
    double squares = 0.0;
    for (std::size_t group = 0; group < groups; ++group) {
      const auto metadata = kernels::read_metadata(block, layout, group);
      const double scale = metadata.scales[row % kBlockRows];
      const double most = scale * (largest_code + std::abs(metadata.zeros[row % kBlockRows]));
      wide.scales[row * groups + group] = static_cast<float>(scale);
      squares += most * most * static_cast<double>(layout.group_size);
    }
    wide.magnitudes[row] = std::sqrt(squares);
  }
  return wide;
}

/// One factor, [rank, width], and what its rows weigh in rounding.
Widened widen_factor(const FactorView& factor, std::size_t rank, std::size_t width,
                     int threads) {
  if (const auto* packed = std::get_if<PackedMatrixView>(&factor)) return widen_packed(*packed);
  Widened wide{.values = kernels::widened(std::get<TensorView>(factor), rank, width, threads)};
  for (std::size_t row = 0; row < rank; ++row) {
    wide.magnitudes.push_back(norm_of({wide.values.data() + row * width, width}));
  }
  return wide;
}

/// Adds left·right to `packed` and what it rounds to the rows' weights.
void add_compensator(const LowRankView& low_rank, const MatrixSpec& spec, Widened& packed,
                     std::vector<double>& digits, int threads) {
  const std::size_t rows = spec.out_features;
  const std::size_t cols = spec.in_features;
  const Widened left = widen_factor(low_rank.left, low_rank.rank, rows, threads);
  const Widened right = widen_factor(low_rank.right, low_rank.rank, cols, threads);
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t j = 0; j < low_rank.rank; ++j) {
      const float factor = left.values[j * rows + row];
      packed.magnitudes[row] += std::abs(double{factor}) * right.magnitudes[j];
      digits[row] += std::abs(double{factor}) * norm_of({right.values.data() + j * cols, cols});
      for (std::size_t c = 0; c < cols; ++c) {
        packed.values[row * cols + c] += factor * right.values[j * cols + c];
      }
    }
  }
}

/// Radii and norms of one row's groups.
void measure_row(const float* error, const float* scales, std::size_t row, double scale,
                 MatrixErrors& errors) {
  for (std::size_t group = 0; group < errors.num_groups; ++group) {
    const std::size_t first = group * errors.group_size;
    const std::size_t count = std::min(errors.group_size, errors.cols - first);
    double largest = 0.0;
    for (std::size_t i = 0; i < count; ++i) {
      largest = std::max(largest, std::abs(double{error[first + i]}));
    }
    const double half_step = 0.5 * scales[row * errors.num_groups + group];
    // fp16 scales and zeros move grid points a little; a thousandth of a step is no clipping.
    if (largest > half_step * 1.001) ++errors.clipped_groups;
    const std::size_t at = row * errors.num_groups + group;
    errors.radii[at] = static_cast<float>(std::max(largest, half_step) * scale);
    errors.norms[at] = static_cast<float>(norm_of({error + first, count}) * scale);
  }
}

void measure_parts(const MatrixErrors& errors, const std::vector<float>& error,
                   const std::vector<float>& packed, const std::vector<float>& original,
                   double scale, std::vector<RowPart>& parts, int threads) {
  const std::size_t part_rows = errors.rows / parts.size();
#pragma omp parallel for num_threads(threads) schedule(dynamic)
  for (std::size_t index = 0; index < parts.size(); ++index) {
    const std::size_t offset = index * part_rows * errors.cols;
    RowPart& part = parts[index];
    if (errors.is_packed) {
      part.error = spectral_bound(error.data() + offset, part_rows, errors.cols) * scale;
    }
    part.packed = spectral_bound(packed.data() + offset, part_rows, errors.cols);
    part.original = spectral_bound(original.data() + offset, part_rows, errors.cols);
    for (std::size_t row = index * part_rows; row < (index + 1) * part_rows; ++row) {
      part.rounding += errors.rounding[row] * errors.rounding[row];
      part.digits += errors.digits[row] * errors.digits[row];
    }
    part.rounding = std::sqrt(part.rounding);
    part.digits = std::sqrt(part.digits);
  }
}

/// The rounding of a part alone, for an input known up to `radius`.
double rounding_of(const MatrixErrors& errors, std::size_t part, double length,
                   double digit_error, double radius) {
  const RowPart& sizes = errors.parts[part];
  // max|x̂| of a group is at most max|x| more than the radius there, so η grows by √group · radius.
  const double moved = std::sqrt(static_cast<double>(errors.group_size)) * radius * kDigitStep;
  return sizes.rounding * (length + radius) + sizes.digits * (digit_error + moved);
}

}  // namespace

Result<MatrixErrors> measure_errors(const MatrixSpec& spec,
                                    const models::WeightSource& original,
                                    const models::WeightSource& packed, std::size_t num_parts,
                                    double scale, int threads) {
  TRINE_ASSIGN_OR_RETURN(const models::WeightView original_view, original.matrix(spec));
  TRINE_ASSIGN_OR_RETURN(const models::WeightView packed_view, packed.matrix(spec));
  const std::size_t rows = spec.out_features;
  const std::size_t cols = spec.in_features;
  const std::vector<float> before = widen(original_view, spec, threads);
  const PackedMatrixView* codes = models::codes_of(packed_view);
  MatrixErrors errors{.rows = rows, .cols = cols, .is_packed = codes != nullptr};
  errors.group_size = errors.is_packed ? codes->layout.group_size : kLargestGroup;
  errors.num_groups = (cols + errors.group_size - 1) / errors.group_size;
  errors.rounding.resize(rows);
  errors.digits.resize(rows);
  errors.row_norms.resize(rows);
  errors.parts.resize(num_parts);
  std::size_t rank = 0;
  Widened after;
  if (errors.is_packed) {
    after = widen_packed(*codes);
    for (std::size_t row = 0; row < rows; ++row) {
      errors.digits[row] = norm_of({after.values.data() + row * cols, cols});
    }
    if (const LowRankView* low_rank = models::low_rank_of(packed_view)) {
      rank = low_rank->rank;
      add_compensator(*low_rank, spec, after, errors.digits, threads);
    }
  } else {
    after.values = widen(packed_view, spec, threads);
  }
  // A sum of n products in fp32 is off by at most n roundings of Σ|w||x| ≤ ‖w‖‖x‖; the kernels'
  // handful of roundings per group and the compensator's sum are fewer than cols + rank + 16.
  // Twice, because the certificate computes the original's outputs once more in other batches.
  const double roundings = 2.0 * static_cast<double>(cols + rank + 16) * kRoundoff * 1.01;
  for (std::size_t row = 0; row < rows; ++row) {
    const double length = norm_of({before.data() + row * cols, cols});
    const double magnitude = errors.is_packed ? after.magnitudes[row] : length;
    errors.rounding[row] = roundings * (length + magnitude) * scale;
    errors.digits[row] *= scale;
    errors.row_norms[row] = norm_of({after.values.data() + row * cols, cols});
  }
  std::vector<float> error;
  if (errors.is_packed) {
    error.resize(rows * cols);
    for (std::size_t i = 0; i < error.size(); ++i) error[i] = before[i] - after.values[i];
    errors.radii.resize(rows * errors.num_groups);
    errors.norms.resize(rows * errors.num_groups);
    for (std::size_t row = 0; row < rows; ++row) {
      measure_row(error.data() + row * cols, after.scales.data(), row, scale, errors);
    }
  }
  measure_parts(errors, error, after.values, before, scale, errors.parts, threads);
  return errors;
}

InputSizes measure_inputs(const float* inputs, std::size_t num_tokens, std::size_t width,
                          std::size_t group_size) {
  InputSizes sizes;
  for (std::size_t token = 0; token < num_tokens; ++token) {
    const float* input = inputs + token * width;
    double squares = 0.0;
    double digit_squares = 0.0;
    for (std::size_t first = 0; first < width; first += group_size) {
      const std::size_t count = std::min(group_size, width - first);
      double sum = 0.0, group_squares = 0.0, largest = 0.0;
      for (std::size_t i = first; i < first + count; ++i) {
        const double size = std::abs(double{input[i]});
        sum += size;
        group_squares += size * size;
        largest = std::max(largest, size);
      }
      sizes.sums.push_back(static_cast<float>(sum));
      sizes.norms.push_back(static_cast<float>(std::sqrt(group_squares)));
      sizes.squares.push_back(static_cast<float>(group_squares));
      squares += group_squares;
      digit_squares += static_cast<double>(count) * largest * largest;
    }
    sizes.lengths.push_back(std::sqrt(squares));
    sizes.digit_errors.push_back(std::sqrt(digit_squares) * kDigitStep);
  }
  return sizes;
}

RowBounds bound_rows(const MatrixErrors& errors, const InputSizes& inputs, double factor,
                     int threads) {
  const std::size_t tokens = inputs.lengths.size();
  const std::size_t groups = errors.num_groups;
  RowBounds bounds;
  for (auto& values : bounds.values) values.resize(tokens * errors.rows);
  std::vector<float> squared = errors.radii;
  for (float& radius : squared) radius *= radius;
  if (errors.is_packed) {
    const auto multiply = [&](const std::vector<float>& sizes, const std::vector<float>& left,
                              BoundKind kind) {
      kernels::multiply_transposed(tokens, errors.rows, groups, 1.0f, {sizes.data(), groups},
                                   {left.data(), groups},
                                   {bounds.values[kind].data(), errors.rows});
    };
    multiply(inputs.sums, errors.radii, kStepBound);
    multiply(inputs.norms, errors.norms, kNormBound);
    multiply(inputs.squares, squared, kProbabilityBound);
  }
  // The small products are sums of positive numbers in fp32: (groups + 8) roundings cover them.
  const double wider = 1.0 + static_cast<double>(groups + 8) * kRoundoff;
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t token = 0; token < tokens; ++token) {
    for (std::size_t row = 0; row < errors.rows; ++row) {
      const double slack = errors.rounding[row] * inputs.lengths[token] +
                           errors.digits[row] * inputs.digit_errors[token];
      const std::size_t at = token * errors.rows + row;
      float& probable = bounds.values[kProbabilityBound][at];
      probable = static_cast<float>(factor * std::sqrt(double{probable}));
      for (auto& values : bounds.values) {
        values[at] = static_cast<float>((values[at] * wider + slack) * wider);
      }
    }
  }
  return bounds;
}

double bound_part(const MatrixErrors& errors, const RowBounds& rows, const InputSizes& inputs,
                  std::size_t token, std::size_t part, BoundKind kind, double radius) {
  const std::size_t count = errors.part_rows();
  const double rounding =
      rounding_of(errors, part, inputs.lengths[token], inputs.digit_errors[token], radius);
  // Between two inputs of the packed matrix both sides round, digits too.
  double change = kind == kBlockBound ? 2.0 * rounding : rounding;
  if (kind < kRowKinds) {  // the rows hold their rounding already; no matter
    change += norm_of({rows.values[kind].data() + token * errors.rows + part * count, count});
  }
  if (kind == kNormBound) {
    change = std::min(change, errors.parts[part].error * inputs.lengths[token] + rounding);
  }
  return change + errors.parts[part].packed * radius;
}

double row_rounding(const MatrixErrors& errors, const InputSizes& inputs, std::size_t token,
                    std::size_t row) {
  return 2.0 * (errors.rounding[row] * inputs.lengths[token] +
                errors.digits[row] * inputs.digit_errors[token]);
}

double moved_row(const MatrixErrors& errors, std::size_t row, double radius) {
  const double digits = std::sqrt(static_cast<double>(errors.group_size)) * kDigitStep;
  return (errors.row_norms[row] + errors.rounding[row] + errors.digits[row] * digits) * radius;
}

double largest_output(const MatrixErrors& errors, double length) {
  const double digit_error = std::sqrt(static_cast<double>(errors.cols)) * length * kDigitStep;
  return errors.parts.front().packed * length +
         rounding_of(errors, 0, length, digit_error, 0.0);
}

}  // namespace trine::eval
