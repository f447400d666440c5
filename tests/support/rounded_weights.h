// A random model in MemoryWeights with some of its matrices rounded to a coarse grid and packed.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <list>
#include <vector>

#include "kernels/block_codec.h"
#include "support/memory_weights.h"

namespace trine::testing_support {

/// Owns the packed bytes its weights view. Everything unpacked is random_weights(spec, seed).
class RoundedWeights {
 public:
  using Choice = std::function<bool(const MatrixSpec&)>;

  /// Groups of 32, steps of 2 / (2^bits − 1) around 0, so errors are within half a step for weights
  /// in [−1, 1]. @param is_packed of a compressible matrix; null: all.
  RoundedWeights(const ModelSpec& spec, std::uint64_t seed, int bits,
                 const Choice& is_packed = {})
      : weights_(random_weights(spec, seed)) {
    for (const MatrixSpec* matrix : compressible_matrices(spec)) {
      if (!is_packed || is_packed(*matrix)) pack(*matrix, bits);
    }
  }
  RoundedWeights(const RoundedWeights&) = delete;
  RoundedWeights& operator=(const RoundedWeights&) = delete;

  [[nodiscard]] const MemoryWeights& weights() const noexcept { return weights_; }

 private:
  void pack(const MatrixSpec& matrix, int bits) {
    const auto view = std::get<TensorView>(weights_.matrix(matrix).value());
    const auto values = decode(view.dtype, view.bytes);
    const std::size_t groups = (matrix.in_features + 31) / 32;
    QuantizedMatrix codes{matrix.out_features, matrix.in_features, 32, bits};
    const auto largest_code = static_cast<float>((1 << bits) - 1);
    const float middle = (largest_code + 1.0f) / 2.0f;
    const float scale = f16_to_float(float_to_f16(2.0f / largest_code));
    codes.scales.assign(matrix.out_features * groups, scale);
    codes.zeros.assign(matrix.out_features * groups, middle);
    for (const float value : values) {
      const float code = std::round(value / scale + middle);
      codes.codes.push_back(static_cast<std::uint8_t>(std::clamp(code, 0.0f, largest_code)));
    }
    bytes_.push_back(kernels::pack(codes, 1));
    weights_.set_view(
        matrix.name,
        PackedMatrixView{{matrix.out_features, matrix.in_features, bits, 32}, bytes_.back()});
  }

  MemoryWeights weights_;
  std::list<std::vector<std::uint8_t>> bytes_{};
};

}  // namespace trine::testing_support
