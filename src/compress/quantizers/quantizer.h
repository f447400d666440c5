// What turns one float matrix into codes.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "core/matrix_view.h"
#include "core/quantized_matrix.h"

namespace trine::compress {

struct QuantizerOptions {
  int bits = 3;                 ///< 2, 3, 4, 5, 6 or 8
  std::size_t group_size = 64;  ///< 32, 64 or 128 consecutive inputs
  int threads = 1;
};

/// Stateless, so one instance serves all threads; the result does not depend on options.threads.
class Quantizer {
 public:
  virtual ~Quantizer() = default;

  /// @param weights finite values.
  /// @return codes with scales and zeros that are exactly fp16 numbers; kUnsupported when the
  ///         weights are too large for fp16 scales.
  [[nodiscard]] virtual Result<QuantizedMatrix> quantize(
      MatrixView weights, const QuantizerOptions& options) const = 0;
};

/// The quantizer called `name` from the one list (registry.cpp); kUnsupported lists the known.
[[nodiscard]] Result<std::unique_ptr<Quantizer>> quantizer_named(std::string_view name);

}  // namespace trine::compress
