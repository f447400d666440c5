// Token perplexity, and how far a compressed model's predictions are from the original's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "eval/estimate.h"
#include "eval/reference.h"
#include "eval/reference_writer.h"
#include "runtime/engine.h"

namespace trine::eval {

/// Where the divergence comes from.
struct DivergenceSplit {
  Estimate experts{};  ///< divergence when the model takes the original's experts everywhere
  Estimate routing{};  ///< the rest of it: tokens that went to other experts; may be negative
};

/// Averages over scored tokens, original ‖ compressed.
struct Fidelity {
  Estimate kl_divergence{};      ///< Σ p_original · log(p_original / p_compressed), nats
  Estimate top1_agreement{};     ///< share of tokens where both name the same most likely token
  Estimate routing_agreement{};  ///< share of the original's chosen experts also chosen
  Estimate original_perplexity{};          ///< of the same tokens
  std::optional<DivergenceSplit> split{};  ///< when asked for
  double kl_divergence_99 = 0.0;           ///< 99 of 100 tokens have at most this one
  double largest_kl_divergence = 0.0;      ///< of any token; NaN when any is
  Interval top1_interval{};  ///< 95 % confidence, windows being the independent draws
};

/// Of one text, or of all texts together.
struct TextFigures {
  std::size_t num_windows = 0;
  std::size_t num_scored = 0;  ///< tokens predicted
  Estimate nll{};              ///< mean negative log likelihood per scored token, nats
  Estimate perplexity{};       ///< exp(nll); its standard error by the delta method
  std::optional<Fidelity> fidelity{};
};

struct PerplexityOptions {
  std::size_t window = 2048;
  std::size_t stride = 2048;       ///< equal to window: the disjoint protocol
  bool splits_divergence = false;  ///< one more pass, with the original's experts forced
};

struct PerplexityResult {
  /// "disjoint" or "sliding" windows; "halves" of disjoint windows for encoder–decoder models: the
  /// encoder reads the first half, the decoder predicts all of the second.
  std::string_view protocol{};
  std::vector<TextFigures> texts{};  ///< in the order given
  TextFigures all{};
};

/// Whom a model's predictions are given to, besides the averages. Either may be null.
struct Listeners {
  Reference* reference = nullptr;     ///< compares them with the original's
  ReferenceWriter* writer = nullptr;  ///< keeps them
};

/// The texts cut into windows; kInvalidArgument, naming the text by its place, for one that is too
/// short for a window.
[[nodiscard]] Result<std::vector<TextWindows>> cut_texts(
    const ModelSpec& model, std::span<const std::vector<std::int32_t>> texts,
    const PerplexityOptions& options);

/// "disjoint", "sliding" or "halves", as model and options make it.
[[nodiscard]] Protocol protocol_of(const ModelSpec& model, const PerplexityOptions& options);

/// Runs the texts window by window through `model`.
/// @param progress counts tokens.
[[nodiscard]] Result<PerplexityResult> measure_perplexity(runtime::Engine& model,
                                                          std::span<const TextWindows> texts,
                                                          const PerplexityOptions& options,
                                                          const Listeners& listeners,
                                                          const base::ProgressSink& progress);

}  // namespace trine::eval
