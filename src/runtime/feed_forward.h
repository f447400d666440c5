// y = down · activation(gate · x, up · x), gated or not: a dense feed-forward, one expert, a shared
// expert.
#pragma once

#include <cstddef>
#include <vector>

#include "base/result.h"
#include "core/model_spec.h"
#include "models/weight_source.h"
#include "runtime/compute.h"
#include "runtime/linear.h"

namespace trine::runtime {

class FeedForward {
 public:
  /// @param model gives the activation and its limit.
  [[nodiscard]] static Result<FeedForward> load(const ExpertSpec& spec, const ModelSpec& model,
                                                const models::WeightSource& source);

  /// inputs [num_tokens, hidden_size] → [num_tokens, hidden_size].
  [[nodiscard]] std::vector<float> apply(Compute& compute, const float* inputs,
                                         std::size_t num_tokens) const;

  [[nodiscard]] std::size_t stored_bytes() const noexcept {
    const std::size_t gate = gate_proj_.exists() ? gate_proj_.stored_bytes() : 0;
    return gate + up_proj_.stored_bytes() + down_proj_.stored_bytes();
  }

 private:
  Linear gate_proj_{};  ///< may be absent
  Linear up_proj_{}, down_proj_{};
  Activation activation_ = Activation::kSilu;
  float limit_ = 0.0f;
};

}  // namespace trine::runtime
