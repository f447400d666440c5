// The Mixture of Experts of one layer: routing, then each expert once for all its tokens.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "base/result.h"
#include "core/model_spec.h"
#include "models/weight_source.h"
#include "runtime/compute.h"
#include "runtime/feed_forward.h"
#include "runtime/linear.h"
#include "runtime/routing.h"

namespace trine::runtime {

class Experts {
 public:
  [[nodiscard]] static Result<Experts> load(const MoeSpec& spec, const ModelSpec& model,
                                            const models::WeightSource& source);

  /// Writes the experts' weighted sum, shared expert included, to `outputs` [num_tokens,
  /// hidden_size]. Tokens are grouped by expert; a token's contributions are added in expert
  /// order, whatever else is in the batch. @return which experts were chosen.
  /// @param forced null, or the experts to take whatever the router says; see route().
  [[nodiscard]] Routing apply(Compute& compute, const float* inputs, std::size_t num_tokens,
                              std::vector<float>& outputs,
                              const Routing* forced = nullptr) const;

  /// Bytes of weights one token needs, averaged over experts.
  [[nodiscard]] double active_bytes() const;

 private:
  void add_shared(Compute& compute, const float* inputs, std::size_t num_tokens,
                  std::vector<float>& outputs) const;

  RouterSpec rule_{};
  Linear router_{};
  std::vector<float> selection_bias_{};
  std::vector<FeedForward> experts_{};
  std::optional<FeedForward> shared_expert_{};
  Linear shared_expert_gate_{};
};

}  // namespace trine::runtime
