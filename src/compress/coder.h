// The quantizer's half of MiLo's loop: codes of what the factors leave of one matrix, and what the
// codes leave for the factors.
#pragma once

#include <vector>

#include "base/result.h"
#include "compress/quantizers/quantizer.h"
#include "core/low_rank.h"
#include "core/matrix_view.h"
#include "kernels/linalg/bf16_matrix.h"

namespace trine::compress {

/// ‖weights − left·right − ŵ‖F² for the numbers ŵ of codes.
struct CodingErrors {
  double before = 0.0;  ///< with the codes there were; 0 when not asked for
  double after = 0.0;   ///< with the new ones
};

/// Quantizes one matrix again and again. Where the quantizer works by rows, a piece of the matrix
/// goes through all steps while it is in the second cache: a pass over 4096x14336 reads 235 MB of
/// weights and writes 58 MB of codes and 117 MB of residual, and nothing else that is as large.
class Coder {
 public:
  /// Whether the quantizer may start from the codes before.
  enum class Start { kAfresh, kFromBefore };

  /// What a pass is for.
  enum class Mode {
    kOnTheWay,  ///< factors count in bf16, so errors are right to 1e-5 of themselves; no
                ///< CodingErrors::before
    kResult,    ///< fp32
  };

  /// Weights and quantizer must outlive the coder.
  Coder(MatrixView weights, const Quantizer& quantizer, const QuantizerOptions& options,
        Start start)
      : weights_(weights), quantizer_(quantizer), options_(options), start_(start) {}

  /// New codes of rest = weights − left·right. The result does not depend on options.threads.
  /// @param before codes of the last call, or null.
  /// @param codes another matrix than `before`; its memory is used again.
  /// @param residual becomes (weights − ŵ) + relaxation · (rest − ŵ), ŵ the new numbers.
  /// Errors are those of Quantizer::quantize.
  [[nodiscard]] Result<CodingErrors> encode(const LowRankFactors& factors, Mode mode,
                                            float relaxation, const QuantizedMatrix* before,
                                            QuantizedMatrix& codes,
                                            kernels::Bf16Matrix& residual);

 private:
  struct Pass;
  Result<CodingErrors> encode_pieces(const Pass& pass, const RowQuantizer& quantizer);
  Result<CodingErrors> encode_whole(const Pass& pass);

  MatrixView weights_;
  const Quantizer& quantizer_;
  QuantizerOptions options_;
  Start start_;
  std::vector<float> rest_{};  ///< of quantizers that want the whole matrix
};

}  // namespace trine::compress
