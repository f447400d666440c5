#include "plan/weight_statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <span>
#include <variant>

#include "kernels/widened.h"

namespace trine::plan {
namespace {

constexpr std::size_t kRowsAtATime = 64;

/// Count, mean and sums of powers of the distance from the mean. Merging two of them is exact in
/// exact arithmetic (Pébay 2008, Sandia report SAND2008-6212, eq. 2.1–2.3), so one reading of
/// the weights is enough and rows can be summed by any thread.
struct Moments {
  double count = 0.0, mean = 0.0;
  double second = 0.0, third = 0.0, fourth = 0.0;  ///< Σ (w − mean)ᵏ

  void merge(const Moments& other) {
    if (other.count == 0.0) return;
    const double a = count, b = other.count, n = a + b;
    const double shift = other.mean - mean, step = shift / n;
    fourth += other.fourth + shift * step * step * step * a * b * (a * a - a * b + b * b) +
              6.0 * step * step * (a * a * other.second + b * b * second) +
              4.0 * step * (a * other.third - b * third);
    third += other.third + shift * step * step * a * b * (a - b) +
             3.0 * step * (a * other.second - b * second);
    second += other.second + shift * step * a * b;
    mean += step * b;
    count = n;
  }
};

struct RowMoments {
  Moments moments{};
  double squared_norm = 0.0;
};

RowMoments moments_of(std::span<const float> row) {
  RowMoments result;
  Moments& moments = result.moments;
  moments.count = static_cast<double>(row.size());
  double sum = 0.0;
  for (const float weight : row) {
    sum += weight;
    result.squared_norm += static_cast<double>(weight) * weight;
  }
  moments.mean = sum / moments.count;
  for (const float weight : row) {
    const double distance = weight - moments.mean, square = distance * distance;
    moments.second += square;
    moments.third += square * distance;
    moments.fourth += square * square;
  }
  return result;
}

/// Rows [first, first + count) of a weight that is not packed.
std::vector<float> rows_of(const models::WeightView& weight, std::size_t first,
                           std::size_t count, std::size_t cols) {
  if (const auto* tensor = std::get_if<TensorView>(&weight)) {
    const std::size_t row_bytes = cols * bits_of(tensor->dtype) / 8;
    const TensorView part{tensor->dtype,
                          {count, cols},
                          tensor->bytes.subspan(first * row_bytes, count * row_bytes)};
    return kernels::widened(part, count, cols, 1);
  }
  std::vector<float> values(count * cols);
  std::get<std::shared_ptr<const RowReader>>(weight)->read_rows(first, count, values.data());
  return values;
}

/// A weight as the checkpoint has it; statistics of rounded weights would be another model's.
Result<models::WeightView> unpacked(const MatrixSpec& matrix,
                                    const models::WeightSource& source) {
  TRINE_ASSIGN_OR_RETURN(auto weight, source.matrix(matrix));
  if (std::holds_alternative<TensorView>(weight) ||
      std::holds_alternative<std::shared_ptr<const RowReader>>(weight)) {
    return weight;
  }
  return fail(ErrorCode::kInvalidArgument,
              "{} is packed; statistics of weights are taken from the original, expected an "
              "original checkpoint",
              matrix.name);
}

/// Merged in the order of rows, so that threads change nothing.
MatrixStatistics summary_of(std::span<const RowMoments> rows) {
  MatrixStatistics result;
  Moments all;
  double largest_squared_norm = -1.0;
  for (const RowMoments& row : rows) {
    const double count = row.moments.count;
    const double unbiased = row.moments.second / std::max(count - 1.0, 1.0);
    all.merge(row.moments);
    result.squared_norm += row.squared_norm;
    result.max_row_variance = std::max(result.max_row_variance, row.moments.second / count);
    result.max_row_variance_unbiased = std::max(result.max_row_variance_unbiased, unbiased);
    if (row.squared_norm > largest_squared_norm) {
      largest_squared_norm = row.squared_norm;
      result.largest_row_variance = unbiased;
    }
  }
  result.max_row_norm = std::sqrt(largest_squared_norm);
  if (all.second > 0.0) {
    result.excess_kurtosis = all.count * all.fourth / (all.second * all.second) - 3.0;
  }
  return result;
}

Result<std::vector<float>> read_router(const MatrixSpec& router,
                                       const models::WeightSource& source) {
  TRINE_ASSIGN_OR_RETURN(const auto weight, unpacked(router, source));
  std::vector<float> values = rows_of(weight, 0, router.out_features, router.in_features);
  source.release(router);
  if (std::all_of(values.begin(), values.end(), [](float w) { return std::isfinite(w); })) {
    return values;
  }
  return fail(ErrorCode::kMalformed, "{} holds an infinity or NaN, expected finite weights",
              router.name);
}

/// ‖row − centre‖₂ of every row.
std::vector<double> row_norms(std::span<const float> values, std::span<const double> centre) {
  std::vector<double> norms(values.size() / centre.size());
  for (std::size_t row = 0; row < norms.size(); ++row) {
    double sum = 0.0;
    for (std::size_t i = 0; i < centre.size(); ++i) {
      const double distance = values[row * centre.size() + i] - centre[i];
      sum += distance * distance;
    }
    norms[row] = std::sqrt(sum);
  }
  return norms;
}

std::vector<double> mean_row(std::span<const float> values, std::size_t cols) {
  std::vector<double> mean(cols, 0.0);
  for (std::size_t i = 0; i < values.size(); ++i) mean[i % cols] += values[i];
  const double rows = static_cast<double>(values.size() / cols);
  for (double& value : mean) value /= rows;
  return mean;
}

Result<std::vector<double>> initial_norms(const MatrixSpec& router,
                                          const RouterMatrices& initial) {
  const auto found = initial.find(router.name);
  if (found == initial.end()) {
    return fail(ErrorCode::kInvalidArgument,
                "the initial routers have no {}, expected one for every layer with experts",
                router.name);
  }
  if (found->second.size() != router.out_features * router.in_features) {
    return fail(ErrorCode::kInvalidArgument,
                "the initial router {} has {} weights, expected [{}, {}]", router.name,
                found->second.size(), router.out_features, router.in_features);
  }
  return row_norms(found->second, std::vector<double>(router.in_features, 0.0));
}

}  // namespace

Result<MatrixStatistics> measure_matrix(const MatrixSpec& matrix,
                                        const models::WeightSource& source, int threads) {
  const std::size_t rows = matrix.out_features, cols = matrix.in_features;
  TRINE_ASSIGN_OR_RETURN(const auto weight, unpacked(matrix, source));
  std::vector<RowMoments> moments(rows);
  const std::size_t num_parts = (rows + kRowsAtATime - 1) / kRowsAtATime;
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t part = 0; part < num_parts; ++part) {
    const std::size_t first = part * kRowsAtATime, count = std::min(kRowsAtATime, rows - first);
    const std::vector<float> values = rows_of(weight, first, count, cols);
    for (std::size_t row = 0; row < count; ++row) {
      moments[first + row] = moments_of(std::span(values).subspan(row * cols, cols));
    }
  }
  source.release(matrix);
  const MatrixStatistics result = summary_of(moments);
  if (std::isfinite(result.squared_norm)) return result;
  return fail(ErrorCode::kMalformed, "{} holds an infinity or NaN, expected finite weights",
              matrix.name);
}

Result<RouterMatrices> read_routers(const ModelSpec& spec, const models::WeightSource& source) {
  RouterMatrices routers;
  for (const LayerSpec& layer : spec.layers) {
    if (!layer.moe) continue;
    const MatrixSpec& router = layer.moe->router.matrix;
    TRINE_ASSIGN_OR_RETURN(routers[router.name], read_router(router, source));
  }
  return routers;
}

Result<std::map<std::size_t, RouterStatistics>> measure_routers(
    const ModelSpec& spec, const models::WeightSource& source, const RouterMatrices* initial) {
  std::map<std::size_t, RouterStatistics> result;
  for (std::size_t index = 0; index < spec.layers.size(); ++index) {
    if (!spec.layers[index].moe) continue;
    const MatrixSpec& router = spec.layers[index].moe->router.matrix;
    TRINE_ASSIGN_OR_RETURN(const auto values, read_router(router, source));
    RouterStatistics& statistics = result[index];
    statistics.norms = row_norms(values, std::vector<double>(router.in_features, 0.0));
    statistics.centred_norms = row_norms(values, mean_row(values, router.in_features));
    if (initial == nullptr) continue;
    TRINE_ASSIGN_OR_RETURN(const auto before, initial_norms(router, *initial));
    for (std::size_t expert = 0; expert < before.size(); ++expert) {
      statistics.norm_changes.push_back(statistics.norms[expert] - before[expert]);
    }
  }
  return result;
}

Result<WeightStatistics> measure_weights(const ModelSpec& spec,
                                         const models::WeightSource& source,
                                         const RouterMatrices* initial, int threads,
                                         const base::ProgressSink& progress) {
  WeightStatistics result;
  TRINE_ASSIGN_OR_RETURN(result.routers, measure_routers(spec, source, initial));
  const auto matrices = compressible_matrices(spec);
  std::uint64_t done = 0, total = 0;
  for (const MatrixSpec* matrix : matrices) {
    total += std::uint64_t{matrix->out_features} * matrix->in_features;
  }
  for (const MatrixSpec* matrix : matrices) {
    TRINE_ASSIGN_OR_RETURN(result.matrices[matrix->name],
                           measure_matrix(*matrix, source, threads));
    done += std::uint64_t{matrix->out_features} * matrix->in_features;
    if (progress) progress({matrix->name, done, total});
  }
  return result;
}

}  // namespace trine::plan
