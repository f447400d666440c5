// The Mixture of Experts of one layer: routing, then each expert once for all its tokens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "core/model_spec.h"
#include "models/weight_source.h"
#include "runtime/compute.h"
#include "runtime/linear.h"

namespace trine::runtime {

/// Experts chosen for some tokens, k per token, best first.
struct Routing {
  std::size_t experts_per_token = 0;
  std::vector<std::int32_t> experts{};  ///< [tokens, experts_per_token]
  std::vector<float> weights{};         ///< routing_weights, as experts
};

/// Softmax over all experts in fp32, the k largest (lower index first among equals), weights
/// renormalised to sum 1. router_logits is [num_tokens, num_experts].
[[nodiscard]] Routing route_softmax_top_k(const std::vector<float>& router_logits,
                                          std::size_t num_experts,
                                          std::size_t experts_per_token);

class Experts {
 public:
  [[nodiscard]] static Result<Experts> load(const MoeSpec& spec,
                                            const models::WeightSource& source);

  /// Adds the experts' weighted outputs to `stream` [num_tokens, hidden_size]. Tokens are grouped
  /// by expert; a token's contributions are added in expert order, whatever else is in the batch.
  /// @return which experts were chosen.
  [[nodiscard]] Routing apply(Compute& compute, const float* inputs, std::size_t num_tokens,
                              float* stream) const;

  /// Bytes of weights one token needs, averaged over experts.
  [[nodiscard]] double active_bytes() const;

 private:
  struct Expert {
    Linear gate_proj, up_proj, down_proj;
  };

  Linear router_{};
  std::vector<Expert> experts_{};
  std::size_t experts_per_token_ = 0;
};

}  // namespace trine::runtime
