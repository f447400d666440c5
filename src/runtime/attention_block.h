// The self-attention of one layer: projections, norms, rotation, cache, attention, output.
#pragma once

#include <memory>
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
#include "runtime/relative_bias.h"
#include "runtime/rope.h"
#include "runtime/sequence_step.h"

namespace trine::runtime {

/// What an attention block shares with its stack.
struct AttentionPlace {
  std::size_t cache_layer = 0;  ///< of the cache, where its keys and values go
  bool is_causal = true;        ///< false in an encoder
  std::shared_ptr<const RelativeBias> relative_bias{};  ///< null: none
};

class AttentionBlock {
 public:
  /// @param model gives the number of heads and their widths.
  [[nodiscard]] static Result<AttentionBlock> load(const AttentionSpec& spec,
                                                   const ModelSpec& model,
                                                   const AttentionPlace& place,
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
  [[nodiscard]] std::vector<AttentionRows> extend_caches(const Compute& compute,
                                                         std::span<const SequenceStep> steps,
                                                         const Projected& projected) const;

  AttentionPlace place_{};
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
