// How good is this model, and how close to the original?
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <trine/engine.h>
#include <trine/progress.h>
#include <trine/result.h>

namespace trine {

struct PerplexityOptions {
  std::string text_file{};  ///< UTF-8, tokenized once, BOS first if the tokenizer adds it
  std::size_t window = 2048;
  std::optional<std::size_t>
      stride{};             ///< absent: disjoint windows; never for encoder–decoder models
  std::string reference{};  ///< the original model; empty: perplexity only
  EngineOptions engine{};
};

/// A mean and its standard error, windows being the independent draws.
struct Score {
  double value = 0.0;
  double standard_error = 0.0;
};

struct PerplexityReport {
  /// "disjoint" or "sliding" windows, each predicting all of its tokens; for encoder–decoder models
  /// "halves": of each disjoint window the encoder reads the first ⌊window/2⌋ tokens as they are, and
  /// the decoder is given, and predicts, the others. Figures of different protocols are not
  /// comparable.
  std::string protocol{};
  std::size_t window = 0;
  std::size_t stride = 0;
  std::uint64_t tokens = 0;         ///< in the text
  std::uint64_t scored_tokens = 0;  ///< predicted
  std::uint64_t windows = 0;
  Score nll{};         ///< mean negative log likelihood per scored token, nats
  Score perplexity{};  ///< exp(nll)
  std::optional<Score> kl_divergence{};      ///< nats per token, original ‖ model
  std::optional<Score> top1_agreement{};     ///< same most likely token
  std::optional<Score> routing_agreement{};  ///< share of the original's experts also chosen
  /// The next five are there with a reference.
  std::optional<Score> original_perplexity{};     ///< of the reference, same tokens
  std::optional<double> kl_divergence_99{};       ///< 99 of 100 tokens have at most this one
  std::optional<double> largest_kl_divergence{};  ///< of any token
  std::optional<double> top1_low{}, top1_high{};  ///< 95 % interval of top1_agreement
  double seconds = 0.0;
  std::uint64_t peak_rss_bytes = 0;  ///< of the process
};

[[nodiscard]] Result<PerplexityReport> evaluate_perplexity(
    const std::string& model, const PerplexityOptions& options,
    const ProgressCallback& progress = {});

}  // namespace trine
