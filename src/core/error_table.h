// What every choice for every matrix would cost and spoil: what an allocator chooses from.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/matrix_plan.h"
#include "core/model_spec.h"

namespace trine {

/// One thing that could be done to a matrix.
struct ErrorCandidate {
  MatrixPlan plan{};
  std::size_t stored_bytes = 0;
  double weight_error = 0.0;  ///< ‖W − Ŵ‖F²
  double output_error = 0.0;  ///< E‖(W − Ŵ)x‖² over its inputs; weight_error without statistics
};

/// One matrix with its measured candidates.
struct ErrorRow {
  std::string name{};
  MatrixRole role = MatrixRole::kExpert;
  std::size_t layer = 0;
  std::size_t out_features = 0;
  std::size_t in_features = 0;
  double squared_norm = 0.0;  ///< ‖W‖F²
  double output_power = 0.0;  ///< E‖Wx‖²; squared_norm without statistics
  double use = 1.0;           ///< share of tokens that pass through it; 1 for dense matrices
  std::size_t nonfinite = 0;  ///< weights that are infinite or NaN and were taken for 0
  std::vector<ErrorCandidate> candidates{};
};

using ErrorTable = std::vector<ErrorRow>;

}  // namespace trine
