// How good is this model, and how close to the original?
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <trine/engine.h>
#include <trine/progress.h>
#include <trine/result.h>
#include <vector>

namespace trine {

struct PerplexityOptions {
  /// UTF-8; each is tokenized as one sequence, BOS first if the tokenizer adds it.
  std::vector<std::string> text_files{};
  std::size_t window = 2048;
  std::optional<std::size_t>
      stride{};  ///< absent: disjoint windows; never for encoder–decoder models
  /// The original model, or a file that `save_reference` wrote; empty: perplexity only.
  std::string reference{};
  /// With a reference: also run the model with the original's experts, to tell the error of experts
  /// from that of routing. Takes one more pass.
  bool split = false;
  /// Where to keep what this model says of the texts, to be the reference of others later; empty:
  /// nowhere. Not together with `reference`.
  std::string save_reference{};
  std::size_t top_tokens =
      128;  ///< most likely tokens that `save_reference` keeps of a prediction
  EngineOptions engine{};
};

/// A mean and its standard error, windows being the independent draws.
struct Score {
  double value = 0.0;
  double standard_error = 0.0;
};

/// Figures of one text, or of all texts together.
struct TextReport {
  std::string text_file{};          ///< empty for all of several texts
  std::uint64_t tokens = 0;         ///< in the text
  std::uint64_t scored_tokens = 0;  ///< predicted
  std::uint64_t windows = 0;
  Score nll{};         ///< mean negative log likelihood per scored token, nats
  Score perplexity{};  ///< exp(nll)
  // The others are there with a reference.
  std::optional<Score> kl_divergence{};       ///< nats per token, original ‖ model
  std::optional<Score> expert_divergence{};   ///< with the original's experts forced (split)
  std::optional<Score> routing_divergence{};  ///< what is left of kl_divergence (split)
  std::optional<double> kl_divergence_99{};   ///< 99 of 100 tokens have at most this one
  std::optional<double> largest_kl_divergence{};  ///< of any token
  std::optional<Score> top1_agreement{};          ///< same most likely token
  std::optional<double> top1_low{}, top1_high{};  ///< 95 % interval of top1_agreement
  std::optional<Score> routing_agreement{};    ///< share of the original's experts also chosen
  std::optional<Score> original_perplexity{};  ///< of the reference, same tokens
};

/// All texts together, and each of them.
struct PerplexityReport : TextReport {
  /// "disjoint" or "sliding" windows, each predicting all of its tokens; for encoder–decoder models
  /// "halves": of each disjoint window the encoder reads the first ⌊window/2⌋ tokens as they are, and
  /// the decoder is given, and predicts, the others. Figures of different protocols are not
  /// comparable.
  std::string protocol{};
  std::size_t window = 0;
  std::size_t stride = 0;
  /// Tokens that the reference keeps of a prediction: divergences are then those of these tokens and
  /// one outcome for all others, never above the true ones. 0: the whole vocabulary.
  std::size_t top_tokens = 0;
  std::vector<TextReport> texts{};
  double seconds = 0.0;
  std::uint64_t peak_rss_bytes = 0;  ///< of the process
};

[[nodiscard]] Result<PerplexityReport> evaluate_perplexity(
    const std::string& model, const PerplexityOptions& options,
    const ProgressCallback& progress = {});

}  // namespace trine
