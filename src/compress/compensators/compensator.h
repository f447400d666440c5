// What turns one float matrix into codes and a low-rank compensator.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "compress/factors.h"
#include "compress/quantizers/quantizer.h"
#include "core/matrix_plan.h"
#include "core/matrix_view.h"
#include "kernels/linalg/bf16_matrix.h"

namespace trine::compress {

/// What a matrix on its way needs, kept for the next one: 300 MB of new memory for 4096x14336 weights
/// would be cleared page by page, a tenth of the time that compressing them takes.
struct CompensatorMemory {
  std::array<QuantizedMatrix, 3> codes{};  ///< present ones, best ones, and the next
  kernels::Bf16Matrix residual{};          ///< what the factors are fitted to
};

struct CompensatorOptions {
  int threads = 1;
  std::uint64_t seed = 0;  ///< of the random start of the subspace
  InputMoments moments{};
  CompensatorMemory* memory = nullptr;  ///< of the last matrix; null: new memory
};

struct Compensated {
  QuantizedMatrix codes{};
  StoredFactors factors{};
  std::vector<double> trace{};  ///< ‖W − Ŵ − left·right‖F / ‖W‖F after each iteration
};

/// Stateless; the result does not depend on options.threads.
class Compensator {
 public:
  virtual ~Compensator() = default;

  /// @param plan with rank > 0.
  [[nodiscard]] virtual Result<Compensated> compensate(
      MatrixView weights, const MatrixPlan& plan, const Quantizer& quantizer,
      const CompensatorOptions& options) const = 0;
};

/// The compensator called `name` from the one list (registry.cpp); kUnsupported lists the known.
[[nodiscard]] Result<std::unique_ptr<Compensator>> compensator_named(std::string_view name);

}  // namespace trine::compress
