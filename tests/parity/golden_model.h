// A folder of tests/golden: weights, and what a reference implementation computes with them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/safetensors_file.h"
#include "runtime/engine.h"

namespace trine::parity {

/// Both sides compute in fp32 over a few thousand terms per logit; the reference's own rounding
/// moves logits of size 10 by 2e-5. A wrong rope base, norm epsilon or mask moves them by > 0.1.
inline constexpr float kLogitTolerance = 2e-4f;

struct Golden {
  std::size_t num_sequences = 0, length = 0, vocab_size = 0;
  std::vector<std::int32_t> token_ids{};  ///< [sequences, length]
  std::vector<float> logits{};            ///< [sequences, length, vocab_size]
  /// Where rotary frequencies depend on the sequence's length: row p as the last of a prefill of
  /// tokens 0…p, in the shape of logits. Empty for all other models.
  std::vector<float> growing_logits{};
  /// [layers with experts, sequences, length, k], ascending in k; empty for dense models.
  std::vector<std::int32_t> router_choices{};
  std::size_t num_moe_layers = 0, experts_per_token = 0;
  /// Where there is an encoder, its input [sequences, input_length] and the choices of its layers
  /// [layers with experts, sequences, input_length, k]; token_ids are then the decoder's, the start
  /// token included. Empty for all other models.
  std::vector<std::int32_t> encoder_token_ids{};
  std::vector<std::int32_t> encoder_router_choices{};

  /// kNotFound or kMalformed when golden.safetensors is not as tools/make_goldens.py writes it.
  [[nodiscard]] static Result<Golden> open(const std::filesystem::path& folder);

  [[nodiscard]] std::span<const std::int32_t> sequence(std::size_t index) const {
    return std::span(token_ids).subspan(index * length, length);
  }
  [[nodiscard]] std::span<const std::int32_t> input(std::size_t index) const {
    const std::size_t input_length = encoder_token_ids.size() / num_sequences;
    return std::span(encoder_token_ids).subspan(index * input_length, input_length);
  }
};

/// Caches of all sequences of a golden, their inputs encoded where there is an encoder; `trace`
/// receives the choices of its layers.
[[nodiscard]] Result<std::vector<runtime::KvCache>> start_sequences(
    runtime::Engine& engine, const Golden& golden, runtime::RoutingTrace* trace = nullptr);

/// The chosen experts of all layers in the order of router_choices.
[[nodiscard]] std::vector<std::int32_t> sorted_choices(runtime::RoutingTrace trace);

/// Names of all folders with a golden.safetensors, sorted. Relative to the repository root.
[[nodiscard]] std::vector<std::string> golden_names();
[[nodiscard]] std::filesystem::path golden_folder(const std::string& name);

}  // namespace trine::parity
