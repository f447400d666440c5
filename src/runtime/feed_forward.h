// y = down · activation(gate · x, up · x), gated or not: a dense feed-forward, one expert, a shared
// expert.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/result.h"
#include "core/model_spec.h"
#include "models/weight_source.h"
#include "runtime/compute.h"
#include "runtime/linear.h"

namespace trine::runtime {

class FeedForward;

/// One feed-forward and what it is applied to: inputs and outputs [num_tokens, hidden_size].
struct FeedForwardBatch {
  const FeedForward* mlp = nullptr;
  const float* inputs = nullptr;
  float* outputs = nullptr;
  std::size_t num_tokens = 0;
};

class FeedForward {
 public:
  /// @param model gives the activation and its limit.
  [[nodiscard]] static Result<FeedForward> load(const ExpertSpec& spec, const ModelSpec& model,
                                                const models::WeightSource& source);

  /// Several at once, as the experts of a layer are: two parallel regions for all of them.
  static void apply(Compute& compute, std::span<const FeedForwardBatch> batches);

  /// inputs [num_tokens, hidden_size] → [num_tokens, hidden_size].
  [[nodiscard]] std::vector<float> apply(Compute& compute, const float* inputs,
                                         std::size_t num_tokens) const;

  /// Numbers apply() keeps per token between its two steps.
  [[nodiscard]] std::size_t width() const noexcept {
    return up_proj_.out_features() * (gate_proj_.exists() ? 2 : 1);
  }
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
