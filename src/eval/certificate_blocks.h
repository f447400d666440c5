// How far the output of an attention or of an expert can move when its matrices are packed and
// its inputs move: docs/certificate.md, "Attention" and "Experts".
#pragma once

#include <span>
#include <vector>

#include "eval/certificate_layer.h"
#include "eval/window_pass.h"

namespace trine::eval {

/// One PerKind per token: radii of balls around the original's vectors.
using Radii = std::vector<PerKind>;

/// What both attentions saw on the original's states: their inputs and those of o_proj,
/// [tokens, …].
struct AttentionInputs {
  const float* normed = nullptr;
  const float* attended = nullptr;
  const float* packed_attended = nullptr;
  std::span<const WindowRows> windows{};
};

/// For each of `moved` (radii of the block's inputs) the radii of its outputs, around the
/// original's; kBlockBound: around those of the packed block on the original's inputs.
[[nodiscard]] std::vector<Radii> bound_attention(runtime::Compute& compute,
                                                 const LayerPair& layer, const ModelSpec& spec,
                                                 const AttentionInputs& inputs,
                                                 std::span<const Radii> moved,
                                                 const BoundSettings& settings,
                                                 RowTally& tally);

/// One expert's outputs for some tokens.
struct ExpertBounds {
  std::vector<double> lengths{};         ///< ‖original output‖ per token
  std::vector<double> packed_lengths{};  ///< ‖packed output‖ on the same inputs
  std::vector<Radii> changes{};          ///< for each of `moved`, as of bound_attention()
};

/// @param inputs [num_tokens, hidden_size], the original's. @param moved radii of the inputs.
[[nodiscard]] ExpertBounds bound_expert(runtime::Compute& compute, const ExpertPair& expert,
                                        const float* inputs, std::size_t num_tokens,
                                        std::span<const Radii> moved,
                                        const BoundSettings& settings, RowTally& tally);

/// Largest ‖output‖ of the packed expert for any input of at most `length`.
[[nodiscard]] double largest_expert_output(const ExpertPair& expert, double length);

}  // namespace trine::eval
