// Root-mean-square and layer normalisation.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/result.h"
#include "core/model_spec.h"
#include "models/weight_source.h"

namespace trine::runtime {

/// output[t] = input[t] / sqrt(mean(input[t]²) + eps) ⊙ weight, for rows of weight.size().
/// Source: Zhang and Sennrich 2019, arXiv:1910.07467.
void rms_norm(const float* inputs, std::size_t num_tokens, std::span<const float> weight,
              double eps, float* outputs);

/// output[t] = (input[t] − mean) / sqrt(variance + eps) ⊙ weight + bias. `outputs` may be
/// `inputs`, here and above.
void layer_norm(const float* inputs, std::size_t num_tokens, std::span<const float> weight,
                std::span<const float> bias, double eps, float* outputs);

/// A norm with its weights: layer_norm when it has a bias, rms_norm otherwise.
class Norm {
 public:
  /// @param eps used unless the spec has its own.
  [[nodiscard]] static Result<Norm> load(const NormSpec& spec, double eps,
                                         const models::WeightSource& source);

  /// Rows of size(), `num_rows` of them. Nothing happens when the family has no such norm.
  void apply(const float* inputs, std::size_t num_rows, float* outputs) const;

  [[nodiscard]] std::size_t size() const noexcept { return weight_.size(); }
  [[nodiscard]] bool exists() const noexcept { return !weight_.empty(); }

 private:
  std::vector<float> weight_{};
  std::vector<float> bias_{};
  double eps_ = 0.0;
};

}  // namespace trine::runtime
