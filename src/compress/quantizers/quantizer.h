// What turns one float matrix into codes.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "core/matrix_view.h"
#include "core/quantized_matrix.h"

namespace trine::compress {

/// What is known of the inputs x of one matrix. Borrowed; everything may be empty.
struct InputMoments {
  std::span<const float> diagonal{};  ///< E[x²], [cols], > 0
  std::size_t block_size = 0;         ///< of `blocks`; 0: none
  std::span<const float> blocks{};    ///< E[x xᵀ] of consecutive blocks, each row-major
};

struct QuantizerOptions {
  int bits = 3;                 ///< 2, 3, 4, 5, 6 or 8
  std::size_t group_size = 64;  ///< 32, 64 or 128 consecutive inputs
  int metadata_bits = 16;       ///< 16 or 8: see QuantizedMatrix
  int threads = 1;
  /// Codes of nearly the same weights from an earlier pass; a quantizer may start from their
  /// scales and zeros instead of searching.
  const QuantizedMatrix* start = nullptr;
  InputMoments
      moments{};  ///< of the inputs the matrix meets; what a quantizer does without them
                  ///< or with them stands at its head
};

class RowQuantizer;

/// Stateless, so one instance serves all threads; the result does not depend on options.threads.
class Quantizer {
 public:
  virtual ~Quantizer() = default;

  /// @param weights finite values.
  /// @return codes with scales and zeros as QuantizedMatrix wants them; kUnsupported when the
  ///         weights are too large for fp16 scales.
  [[nodiscard]] virtual Result<QuantizedMatrix> quantize(
      MatrixView weights, const QuantizerOptions& options) const = 0;

  /// Itself when rows can be quantized apart from each other, else null.
  [[nodiscard]] virtual const RowQuantizer* by_rows() const noexcept { return nullptr; }
};

/// Some rows and columns of a matrix.
struct Panel {
  MatrixView weights{};       ///< the numbers of the panel alone
  std::size_t first_row = 0;  ///< where it lies
  std::size_t first_col = 0;  ///< the first of a group
};

/// A quantizer to which no row is anything to another: parts of a matrix can be quantized while
/// they are in the cache.
class RowQuantizer : public Quantizer {
 public:
  Result<QuantizedMatrix> quantize(MatrixView weights,
                                   const QuantizerOptions& options) const final;
  [[nodiscard]] const RowQuantizer* by_rows() const noexcept final { return this; }

  /// Codes, scales and zeros of one panel, on the calling thread.
  /// @param panel whole rows with 8-bit metadata, whose steps belong to a row; its columns end
  ///        with a group. With weights beyond kLargestWeight the codes mean nothing.
  /// @param matrix from start_matrix(); panels may be worked on at the same time.
  virtual void quantize_panel(const Panel& panel, const QuantizerOptions& options,
                              QuantizedMatrix& matrix) const = 0;
};

/// The quantizer called `name` from the one list (registry.cpp); kUnsupported lists the known.
[[nodiscard]] Result<std::unique_ptr<Quantizer>> quantizer_named(std::string_view name);

}  // namespace trine::compress
