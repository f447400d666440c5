// A reference file: what a model said of some texts, in a few hundred bytes per token instead of
// the logits of its whole vocabulary. docs/evaluation.md describes it.
//
// It is a safetensors file with one set of tensors for each window of each text:
//   <text>.<window>.token_ids  I32 [scored tokens, kept]     the most likely tokens, best first
//   <text>.<window>.values     F32 [scored tokens, kept + 2] their log-probabilities, then that of
//                              all others together, then that of the token which came
//   <text>.<window>.experts    I16 [choices]  by layer with experts (encoder first), then by token
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/model_spec.h"
#include "eval/window_pass.h"

namespace trine::eval {

inline constexpr const char* kReferenceFormat = "trine-reference";
inline constexpr const char* kReferenceVersion = "1";

/// Experts of one layer: how many a token takes, of how many; zeros where there are none.
struct LayerExperts {
  std::size_t chosen = 0;
  std::size_t num_experts = 0;

  bool operator==(const LayerExperts&) const = default;
};

/// "2/8,0/0,2/8"; "" for no layers.
[[nodiscard]] std::string layers_text(const std::vector<LayerSpec>& layers);

/// Names one text by its token ids: 16 hex digits.
[[nodiscard]] std::string text_key(std::span<const std::int32_t> token_ids);

[[nodiscard]] std::string window_tensor(std::size_t text, std::size_t window, const char* part);

/// Choices of one window in the tensor `experts`.
[[nodiscard]] std::size_t num_choices(const WindowRows& rows,
                                      std::span<const LayerExperts> encoder,
                                      std::span<const LayerExperts> decoder);

[[nodiscard]] std::vector<LayerExperts> experts_of(const std::vector<LayerSpec>& layers);

/// The encoder's layers; none without one.
[[nodiscard]] const std::vector<LayerSpec>& encoder_layers(const ModelSpec& spec);

}  // namespace trine::eval
