#include "compress/matrix_compressor.h"

#include <cmath>

#include "base/hash.h"
#include "compress/compensators/compensator.h"
#include "compress/residual.h"
#include "kernels/block_codec.h"

namespace trine::compress {
namespace {

/// Errors of one row: plain and weighted with the second moments of the inputs.
struct RowError {
  SquaredError plain{};
  double output_error = 0.0, output_power = 0.0;
};

/// Compares the original with what a reader of the stored bytes gets.
/// @param target what the codes alone should come to: weights − left·right.
void measure(MatrixView weights, const std::vector<float>& target, const InputMoments& moments,
             int threads, CompressedMatrix& matrix) {
  const PackedLayout& layout = matrix.layout;
  const std::size_t row_length = layout.num_groups() * layout.group_size;
  std::vector<RowError> rows(weights.rows);
#pragma omp parallel num_threads(threads)
  {
    std::vector<float> restored(kBlockRows * row_length);
#pragma omp for schedule(static)
    for (std::size_t block = 0; block < layout.num_row_blocks(); ++block) {
      kernels::dequantize_row_block({layout, matrix.blocks}, block, restored.data());
      const std::size_t first = block * kBlockRows;
      for (std::size_t row = first; row < std::min(first + kBlockRows, weights.rows); ++row) {
        const float* stored = restored.data() + (row - first) * row_length;
        for (std::size_t col = 0; col < weights.cols; ++col) {
          const double weight = weights.values[row * weights.cols + col];
          const double difference =
              static_cast<double>(target[row * weights.cols + col]) - stored[col];
          const double moment = moments.diagonal.empty() ? 1.0 : moments.diagonal[col];
          rows[row].plain.error += difference * difference;
          rows[row].plain.weights += weight * weight;
          rows[row].output_error += moment * difference * difference;
          rows[row].output_power += moment * weight * weight;
        }
      }
    }
  }
  for (const RowError& row : rows) {
    matrix.error.add(row.plain);
    matrix.output_error += row.output_error;
    matrix.output_power += row.output_power;
  }
}

}  // namespace

double SquaredError::relative() const {
  return weights > 0.0 ? std::sqrt(error / weights) : 0.0;
}

Result<CompressedMatrix> compress_matrix(std::string_view name, MatrixView weights,
                                         const MatrixPlan& plan, const InputMoments& moments,
                                         int threads) {
  TRINE_ASSIGN_OR_RETURN(const auto quantizer, quantizer_named(plan.quantizer));
  CompressedMatrix matrix{.layout = layout_of(weights.rows, weights.cols, plan)};
  Compensated compensated;
  if (plan.rank == 0) {
    TRINE_ASSIGN_OR_RETURN(compensated.codes,
                           quantizer->quantize(weights, {.bits = plan.bits,
                                                         .group_size = plan.group_size,
                                                         .metadata_bits = plan.metadata_bits,
                                                         .threads = threads,
                                                         .moments = moments}));
  } else {
    TRINE_ASSIGN_OR_RETURN(const auto compensator, compensator_named(plan.compensator));
    const auto seed = base::xxh3(
        {reinterpret_cast<const std::uint8_t*>(name.data()), name.size()});
    TRINE_ASSIGN_OR_RETURN(
        compensated, compensator->compensate(
                         weights, plan, *quantizer,
                         {.threads = threads, .seed = seed, .moments = moments}));
    matrix.factors = pack_factors(compensated.factors, threads);
    matrix.trace = std::move(compensated.trace);
  }
  matrix.blocks = kernels::pack(compensated.codes, threads);
  const std::vector<float> target =
      without_factors(weights, compensated.factors.numbers, threads);
  measure(weights, target, moments, threads, matrix);
  return matrix;
}

}  // namespace trine::compress
