// The attention of one layer: projections, norms, rotation, cache, attention, output.
#pragma once

#include <cstdint>
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
#include "runtime/rope.h"

namespace trine::runtime {

/// New tokens of one sequence: a whole prompt (prefill) or one token (decode).
struct SequenceStep {
  std::span<const std::int32_t> token_ids{};
  KvCache* cache = nullptr;  ///< receives the tokens' keys and values
};

class AttentionBlock {
 public:
  /// @param layer its index, for the cache.
  [[nodiscard]] static Result<AttentionBlock> load(const ModelSpec& model, std::size_t layer,
                                                   const models::WeightSource& source);

  /// inputs and result [num_tokens, hidden_size], the tokens of all steps in order. Extends every
  /// step's cache by its tokens.
  [[nodiscard]] std::vector<float> apply(Compute& compute, const RotaryTable& rotary,
                                         std::span<const SequenceStep> steps,
                                         const float* inputs, std::size_t num_tokens) const;

  [[nodiscard]] double active_bytes() const;

 private:
  /// Queries, keys and values of the new tokens, rotated.
  struct Projected {
    std::vector<float> queries{}, keys{}, values{};
  };
  [[nodiscard]] Projected project(Compute& compute, const RotaryTable& rotary,
                                  const float* inputs, std::size_t num_tokens) const;
  [[nodiscard]] Projected project_latent(Compute& compute, const RotaryTable& rotary,
                                         const float* inputs, std::size_t num_tokens) const;
  [[nodiscard]] std::vector<AttentionRows> extend_caches(std::span<const SequenceStep> steps,
                                                         const Projected& projected) const;

  std::size_t layer_ = 0;
  AttentionShape shape_{};
  std::vector<float> sinks_{};
  double clip_ = 0.0;  ///< 0: none
  Linear q_proj_{}, k_proj_{}, v_proj_{}, o_proj_{};
  Norm q_norm_{}, k_norm_{};
  bool is_latent_ = false;
  std::size_t rope_dim_ = 0;     ///< latent: part of keys all heads share
  std::size_t latent_rank_ = 0;  ///< latent: width of the compressed keys and values
  Linear q_a_proj_{}, kv_a_proj_{}, kv_b_proj_{};
  Norm q_a_norm_{}, kv_a_norm_{};
};

}  // namespace trine::runtime
