// What the weights alone say about a model: tails, variances, norms of router rows.
//
// Two numbers per expert order the experts of a layer without any text: how far the norm of its
// router row moved in training, and the largest variance of a row of its gate_proj
// (arXiv 2604.06515, method section). Kurtosis gives ranks (arXiv 2504.02658, §3.2.4).
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "core/model_spec.h"
#include "models/weight_source.h"

namespace trine::plan {

/// One matrix; everything in fp64 over the weights as stored.
struct MatrixStatistics {
  double excess_kurtosis = 0.0;  ///< E[(w − μ)⁴] / σ⁴ − 3 over all weights; constant: 0
  double squared_norm = 0.0;     ///< ‖W‖F²
  double max_row_norm = 0.0;     ///< largest ‖row‖₂
  double max_row_variance = 0.0;  ///< largest variance of a row, divided by in_features
  double max_row_variance_unbiased = 0.0;  ///< the same divided by in_features − 1
  /// Unbiased variance of the row with the largest norm: what the published Mixtral code takes
  /// for the maximum variance (they differ when means are large).
  double largest_row_variance = 0.0;
};

/// The rows of one router, one number per expert.
struct RouterStatistics {
  std::vector<double> norms{};  ///< ‖w‖₂
  /// ‖w − mean row‖₂: a vector added to every row changes no softmax routing.
  std::vector<double> centred_norms{};
  std::vector<double> norm_changes{};  ///< ‖w(T)‖₂ − ‖w(0)‖₂; empty: beginning not known
};

struct WeightStatistics {
  std::map<std::string, MatrixStatistics> matrices{};  ///< of compressible matrices, by name
  std::map<std::size_t, RouterStatistics> routers{};   ///< by layer
};

/// Router matrices by name, each [num_experts, hidden_size] row-major.
using RouterMatrices = std::map<std::string, std::vector<float>>;

/// One matrix, 64 rows at a time; the same for any number of threads. The source's errors;
/// kInvalidArgument for a packed matrix, kMalformed for weights that are infinite or NaN.
[[nodiscard]] Result<MatrixStatistics> measure_matrix(const MatrixSpec& matrix,
                                                      const models::WeightSource& source,
                                                      int threads);

/// All routers of `source`, for example of the checkpoint training began with.
[[nodiscard]] Result<RouterMatrices> read_routers(const ModelSpec& spec,
                                                  const models::WeightSource& source);

/// @param initial routers before training; null: no norm changes. kInvalidArgument when one is
///        missing or has another size.
[[nodiscard]] Result<std::map<std::size_t, RouterStatistics>> measure_routers(
    const ModelSpec& spec, const models::WeightSource& source, const RouterMatrices* initial);

/// Routers and every compressible matrix, released one after the other. Progress counts weights.
[[nodiscard]] Result<WeightStatistics> measure_weights(const ModelSpec& spec,
                                                       const models::WeightSource& source,
                                                       const RouterMatrices* initial,
                                                       int threads,
                                                       const base::ProgressSink& progress = {});

}  // namespace trine::plan
