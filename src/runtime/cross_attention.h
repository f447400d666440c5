// A decoder layer's attention to the encoded input.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/result.h"
#include "core/model_spec.h"
#include "models/weight_source.h"
#include "runtime/attention.h"
#include "runtime/compute.h"
#include "runtime/kv_cache.h"
#include "runtime/linear.h"
#include "runtime/norm.h"
#include "runtime/sequence_step.h"

namespace trine::runtime {

class CrossAttention {
 public:
  /// @param model gives the number of heads and their widths.
  /// @param layer its index, for the cache.
  [[nodiscard]] static Result<CrossAttention> load(const CrossAttentionSpec& spec,
                                                   const ModelSpec& model, std::size_t layer,
                                                   const models::WeightSource& source);

  /// Leaves keys and values of `encoded`, the encoder's output for each step's tokens
  /// [num_tokens, hidden_size] in the order of steps, in the memories of the steps' caches.
  void remember(Compute& compute, std::span<const SequenceStep> steps, const float* encoded,
                std::size_t num_tokens) const;

  /// The layer's norm, then attention to the memory of each step's cache. `stream` and result are
  /// [num_tokens, hidden_size], the tokens of all steps in order.
  [[nodiscard]] std::vector<float> apply(Compute& compute, std::span<const SequenceStep> steps,
                                         const float* stream, std::size_t num_tokens) const;

  /// Bytes of weights one decoded token needs: keys and values are made once, from the input.
  [[nodiscard]] double active_bytes() const;

 private:
  std::size_t layer_ = 0;
  AttentionShape shape_{};
  Norm norm_{};
  Linear q_proj_{}, k_proj_{}, v_proj_{}, o_proj_{};
};

}  // namespace trine::runtime
