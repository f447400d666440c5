// One matrix: from numbers and a plan to the bytes that are stored.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "compress/compensators/compensator.h"
#include "compress/factors.h"
#include "compress/quantizers/quantizer.h"
#include "core/matrix_plan.h"
#include "core/matrix_view.h"

namespace trine::compress {

/// ‖W − Ŵ‖F² and ‖W‖F², summed row by row in order.
struct SquaredError {
  double error = 0.0;
  double weights = 0.0;

  void add(const SquaredError& other) {
    error += other.error;
    weights += other.weights;
  }
  /// ‖W − Ŵ‖F / ‖W‖F; 0 for a matrix of zeros, which every quantizer stores exactly.
  [[nodiscard]] double relative() const;
};

struct CompressedMatrix {
  PackedLayout layout{};
  std::vector<std::uint8_t> blocks{};
  FactorBytes factors{};  ///< empty with rank 0
  SquaredError error{};   ///< of what a reader of the stored bytes gets
  double output_error = 0.0;  ///< Σ_r e_rᵀ E[x xᵀ] e_r, e = W − Ŵ; error.error without moments
  double output_power = 0.0;    ///< the same of W
  std::vector<double> trace{};  ///< of the compensator, one value per iteration
};

/// @param name seeds the random start of the compensator.
/// @param weights finite values. @param plan possible for their shape.
/// @param memory kept from one matrix to the next; null: new memory.
/// The result does not depend on `threads` and `memory`. kUnsupported for unknown quantizers and compensators.
[[nodiscard]] Result<CompressedMatrix> compress_matrix(std::string_view name,
                                                       MatrixView weights,
                                                       const MatrixPlan& plan,
                                                       const InputMoments& moments, int threads,
                                                       CompensatorMemory* memory = nullptr);

}  // namespace trine::compress
