// The layers of a decoder or of an encoder, and the norm after them.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "core/model_spec.h"
#include "models/weight_source.h"
#include "runtime/attention_block.h"
#include "runtime/compute.h"
#include "runtime/cross_attention.h"
#include "runtime/experts.h"
#include "runtime/feed_forward.h"
#include "runtime/norm.h"
#include "runtime/rope.h"
#include "runtime/sequence_step.h"

namespace trine::runtime {

/// Experts chosen in one pass: per layer that has experts [tokens, experts_per_token], best first.
using RoutingTrace = std::vector<Routing>;

/// What a pass does about routing besides following it.
struct RoutingUse {
  RoutingTrace* trace = nullptr;         ///< receives the routing of every layer
  const RoutingTrace* forced = nullptr;  ///< experts to take, for the same tokens in order
};

/// What tells an encoder from a decoder.
struct StackSpec {
  const std::vector<LayerSpec>& layers;
  const NormSpec& final_norm;
  const std::optional<RelativeBiasSpec>& relative_bias;
  /// A decoder: no token sees a later one, and every layer keeps its keys and values. An encoder
  /// runs once over its whole input; its layers share the one layer of a cache.
  bool is_causal = true;
};

class LayerStack {
 public:
  /// @param model gives widths, activation and multipliers.
  [[nodiscard]] static Result<LayerStack> load(const StackSpec& spec, const ModelSpec& model,
                                               const models::WeightSource& source,
                                               const kernels::KernelTable& table);

  /// From embeddings to the hidden states after the final norm, both [num_tokens, hidden_size],
  /// the tokens of all steps in order. Caches are extended but do not advance.
  [[nodiscard]] std::vector<float> run(Compute& compute, const RotaryTable& rotary,
                                       std::span<const SequenceStep> steps,
                                       std::vector<float> embedded,
                                       const RoutingUse& routing) const;

  /// Leaves what cross attention looks at in the memories of the steps' caches; `encoded` is the
  /// encoder's output for their tokens.
  void remember(Compute& compute, std::span<const SequenceStep> steps,
                const std::vector<float>& encoded) const;

  /// Bytes of weights one token needs, experts averaged.
  [[nodiscard]] double active_bytes() const;

 private:
  struct Layer {
    Norm input_norm{}, post_attention_norm{};
    AttentionBlock attention{};
    std::optional<CrossAttention> cross_attention{};
    std::optional<FeedForward> dense{};
    std::optional<Experts> experts{};
  };
  class Stream;  // what one pass keeps between layers

  [[nodiscard]] static Result<Layer> load_layer(const LayerSpec& spec, const ModelSpec& model,
                                                const AttentionPlace& place,
                                                const models::WeightSource& source);

  std::size_t hidden_size_ = 0;
  double residual_multiplier_ = 1.0;
  std::vector<Layer> layers_{};
  Norm final_norm_{};
};

}  // namespace trine::runtime
