// y = down · activation(gate · x, up · x): a dense feed-forward, one expert, a shared expert.
#pragma once

#include <cstddef>
#include <vector>

#include "base/result.h"
#include "core/model_spec.h"
#include "models/weight_source.h"
#include "runtime/compute.h"
#include "runtime/linear.h"

namespace trine::runtime {

class GatedMlp {
 public:
  /// @param model gives the activation and its limit.
  [[nodiscard]] static Result<GatedMlp> load(const ExpertSpec& spec, const ModelSpec& model,
                                             const models::WeightSource& source);

  /// inputs [num_tokens, hidden_size] → [num_tokens, hidden_size].
  [[nodiscard]] std::vector<float> apply(Compute& compute, const float* inputs,
                                         std::size_t num_tokens) const;

  [[nodiscard]] std::size_t stored_bytes() const noexcept {
    return gate_proj_.stored_bytes() + up_proj_.stored_bytes() + down_proj_.stored_bytes();
  }

 private:
  Linear gate_proj_{}, up_proj_{}, down_proj_{};
  Activation activation_ = Activation::kSilu;
  float limit_ = 0.0f;
};

}  // namespace trine::runtime
