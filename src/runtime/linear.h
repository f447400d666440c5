// y = W·x + b for weights of any form: dense 16 or 32 bit, encoded, or packed codes in place.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "core/model_spec.h"
#include "models/weight_source.h"
#include "runtime/compute.h"

namespace trine::runtime {

/// One weight matrix, borrowed from its WeightSource.
class Linear {
 public:
  /// The errors of WeightSource::matrix. A spec that does not exist loads as nothing.
  [[nodiscard]] static Result<Linear> load(const MatrixSpec& spec,
                                           const models::WeightSource& source);

  /// That of the MatrixSpec; empty when there is no matrix.
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] std::size_t out_features() const noexcept { return out_features_; }
  [[nodiscard]] std::size_t in_features() const noexcept { return in_features_; }
  [[nodiscard]] const models::WeightView& weight() const noexcept { return weight_; }
  /// Row `index` of a dense or encoded matrix as fp32: a token's embedding.
  void read_row(const kernels::KernelTable& table, std::size_t index, float* target) const;
  [[nodiscard]] std::span<const float> bias() const noexcept { return bias_; }
  [[nodiscard]] bool exists() const noexcept { return out_features_ > 0; }
  /// Bytes read when the matrix is applied once.
  [[nodiscard]] std::size_t stored_bytes() const noexcept;

 private:
  std::string name_{};
  std::size_t out_features_ = 0;
  std::size_t in_features_ = 0;
  models::WeightView weight_{};
  std::vector<float> bias_{};  ///< empty: none
};

/// One matrix and where its outputs go: output[tokens, out_features].
struct LinearCall {
  const Linear* linear = nullptr;
  float* output = nullptr;
};

/// Matrices that are applied to the same inputs [num_tokens, in_features]: q, k, v share theirs, so
/// do gate and up.
struct LinearBatch {
  std::span<const LinearCall> calls{};
  const float* inputs = nullptr;
  std::size_t num_tokens = 0;
};

/// Applies the matrices of all batches in one parallel region; batches are apart, as those of the
/// experts of a layer are. Results do not depend on the number of threads nor on the other
/// batches; for packed weights, and for all when the Compute is steady, they do not depend on
/// num_tokens either. The Compute's InputObserver, if there is one, sees each batch first.
void multiply(Compute& compute, std::span<const LinearBatch> batches);

/// The same for one batch.
void multiply(Compute& compute, std::span<const LinearCall> calls, const float* inputs,
              std::size_t num_tokens);

}  // namespace trine::runtime
