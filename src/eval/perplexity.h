// Token perplexity, and how far a compressed model's predictions are from the original's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/progress.h"
#include "base/result.h"
#include "eval/estimate.h"
#include "runtime/engine.h"

namespace trine::eval {

struct PerplexityOptions {
  std::size_t window = 2048;
  std::size_t stride = 2048;  ///< equal to window: the disjoint protocol
};

/// Averages over scored tokens, original ‖ compressed.
struct Fidelity {
  Estimate kl_divergence{};      ///< Σ p_original · log(p_original / p_compressed), nats
  Estimate top1_agreement{};     ///< share of tokens where both name the same most likely token
  Estimate routing_agreement{};  ///< share of the original's chosen experts also chosen
  Estimate original_perplexity{};      ///< of the same tokens
  double kl_divergence_99 = 0.0;       ///< 99 of 100 tokens have at most this one
  double largest_kl_divergence = 0.0;  ///< of any token; NaN when any is
  Interval top1_interval{};            ///< 95 % confidence, windows being the independent draws
};

struct PerplexityResult {
  /// "disjoint" or "sliding" windows; "halves" of disjoint windows for encoder–decoder models: the
  /// encoder reads the first half, the decoder predicts all of the second.
  std::string_view protocol{};
  std::size_t num_windows = 0;
  std::size_t num_scored = 0;  ///< tokens predicted
  Estimate nll{};              ///< mean negative log likelihood per scored token, nats
  Estimate perplexity{};       ///< exp(nll); its standard error by the delta method
  std::optional<Fidelity> fidelity{};
};

/// Runs `token_ids` window by window through `model`, and through `reference` when given (the
/// original; same vocabulary, layers and experts). kInvalidArgument when the text is too short for one window.
/// @param progress counts tokens.
[[nodiscard]] Result<PerplexityResult> measure_perplexity(
    runtime::Engine& model, runtime::Engine* reference, std::span<const std::int32_t> token_ids,
    const PerplexityOptions& options, const base::ProgressSink& progress);

}  // namespace trine::eval
