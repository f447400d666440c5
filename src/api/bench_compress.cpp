// Compressing one random matrix, timed. Here and not in eval, which does not know compress.
#include <trine/bench.h>

#include <cmath>

#include "api/opened_model.h"
#include "base/random.h"
#include "compress/matrix_compressor.h"
#include "compress/subspace.h"
#include "eval/machine_rates.h"
#include "eval/timing.h"
#include "kernels/linalg/dense_algebra.h"
#include "plan/plan.h"

namespace trine {
namespace {

constexpr std::size_t kDirections = 64;                     // that are stronger than the noise
constexpr std::size_t kMostWeights = std::size_t{1} << 29;  // 2 GiB, and some copies of them

/// Normal numbers, one seed per row, so that they do not depend on the number of threads.
std::vector<float> random_rows(std::size_t rows, std::size_t cols, std::uint64_t seed,
                               int threads) {
  std::vector<float> values(rows * cols);
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t row = 0; row < rows; ++row) {
    base::Random random(base::Random(seed + row).next());
    for (std::size_t col = 0; col < cols; ++col) {
      values[row * cols + col] = static_cast<float>(random.normal());
    }
  }
  return values;
}

/// Noise of deviation 0.02, as weights of models have, and 64 directions: the k-th is 4/√k times as
/// strong as the strongest of the noise, whose singular values end at 0.02·(√out + √in).
std::vector<float> random_weights(const MatrixShape& shape, int threads) {
  constexpr float kDeviation = 0.02f;
  const std::size_t out = shape.out_features, in = shape.in_features;
  std::vector<float> weights = random_rows(out, in, 1, threads);
  std::vector<float> left = random_rows(kDirections, out, std::uint64_t{1} << 32, threads);
  const std::vector<float> right =
      random_rows(kDirections, in, std::uint64_t{1} << 33, threads);
  const double edge = std::sqrt(static_cast<double>(out)) + std::sqrt(static_cast<double>(in));
  const double lengths = std::sqrt(static_cast<double>(out) * static_cast<double>(in));
  for (std::size_t k = 0; k < kDirections; ++k) {
    const double strength = 4.0 * edge / lengths / std::sqrt(static_cast<double>(k + 1));
    for (std::size_t i = 0; i < out; ++i) left[k * out + i] *= static_cast<float>(strength);
  }
  kernels::multiply_parallel(
      {out, in, kDirections, kernels::Transposed::kYes, kernels::Transposed::kNo},
      {left.data(), out}, {right.data(), in}, {kDeviation, kDeviation}, {weights.data(), in},
      threads);
  return weights;
}

MatrixPlan plan_of(const CompressBenchOptions& options) {
  return {.quantizer = options.quantizer,
          .bits = options.bits,
          .group_size = options.group_size,
          .rank = options.rank,
          .compensator = options.rank > 0 ? options.compensator : ""};
}

/// Times one fit of the factors, and counts the products with the whole matrix: two of a fit that
/// goes on from the last one, six of a randomized SVD with two power iterations (milo-paper).
void measure_low_rank(const CompressBenchOptions& options, MatrixView values, int threads,
                      CompressBenchReport& report) {
  if (options.rank == 0) return;
  kernels::Bf16Matrix weights;
  weights.assign(values, threads);
  const bool is_paper = options.compensator == "milo-paper";
  compress::WarmSubspace subspace(options.rank, 1);
  if (!is_paper) static_cast<void>(subspace.approximate(weights, 1, threads));
  std::vector<double> seconds;
  for (int run = 0; run < 3; ++run) {
    seconds.push_back(eval::seconds_of([&] {
      if (is_paper) {
        static_cast<void>(compress::randomized_svd(weights, options.rank, 2, 1, threads));
      } else {
        static_cast<void>(subspace.approximate(weights, 1, threads));
      }
    }));
  }
  report.low_rank_seconds = eval::median(seconds);
  const double products = is_paper ? 6.0 : 2.0;
  report.low_rank_operations_per_second =
      products * 2.0 * static_cast<double>(values.values.size()) *
      static_cast<double>(options.rank) / report.low_rank_seconds;
}

}  // namespace

Result<CompressBenchReport> measure_compression(const CompressBenchOptions& options,
                                                const ProgressCallback& progress) {
  TRINE_ASSIGN_OR_RETURN(const int threads, api::resolve_threads(options.threads));
  const MatrixPlan plan = plan_of(options);
  const MatrixSpec spec{.name = "the random matrix",
                        .out_features = options.shape.out_features,
                        .in_features = options.shape.in_features};
  if (spec.out_features == 0 || spec.in_features == 0) {
    return fail(ErrorCode::kInvalidArgument, "the shape has a side of 0, expected at least 1");
  }
  TRINE_RETURN_IF_ERROR(plan::check_matrix_plan(spec, plan, "bench"));
  if (options.rank % kRankStep != 0) {
    return fail(ErrorCode::kInvalidArgument, "rank is {}, expected 0 or a multiple of {}",
                options.rank, kRankStep);
  }
  if (options.shape.out_features > kMostWeights / options.shape.in_features) {
    return fail(ErrorCode::kInvalidArgument,
                "shape {}x{} is too large, expected at most 2^29 weights",
                options.shape.out_features, options.shape.in_features);
  }
  const int runs = options.quick ? 1 : 3;
  const auto total = static_cast<std::uint64_t>(runs + 1);
  const std::vector<float> weights = random_weights(options.shape, threads);
  const MatrixView view{options.shape.out_features, options.shape.in_features, weights};
  CompressBenchReport report{.threads = threads};
  compress::CompensatorMemory memory;  // from run to run, as from matrix to matrix of a model
  for (int run = 0; run < runs; ++run) {
    const auto start = eval::Clock::now();
    TRINE_ASSIGN_OR_RETURN(
        const compress::CompressedMatrix matrix,
        compress::compress_matrix(spec.name, view, plan, {}, threads, &memory));
    report.run_seconds.push_back(eval::seconds_since(start));
    report.weight_error = matrix.error.relative();
    report.trace = matrix.trace;
    if (progress) progress({"compressed", static_cast<std::uint64_t>(run + 1), total});
  }
  report.seconds = eval::median(report.run_seconds);
  measure_low_rank(options, view, threads, report);
  report.sgemm_operations_per_second =
      eval::measure_sgemm(options.quick ? 512 : 2048, options.quick ? 3 : 5, threads);
  if (progress) progress({"sgemm", total, total});
  return report;
}

}  // namespace trine
