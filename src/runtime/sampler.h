// Chooses the next token from logits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <trine/token_filter.h>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/result.h"

namespace trine::runtime {

/// Applied in this order: the filter, logit_bias, repetition, frequency and presence penalty,
/// temperature, top_k, top_p, min_p, draw.
struct SamplerOptions {
  double temperature = 1.0;         ///< 0 chooses the most likely token
  std::size_t top_k = 0;            ///< keep the k most likely; 0 keeps all
  double top_p = 1.0;               ///< keep the smallest set with this much probability
  double min_p = 0.0;               ///< drop what is below this share of the most likely
  double repetition_penalty = 1.0;  ///< logits of seen tokens: positive ones ÷, negative ones ×
  std::uint64_t seed = 0;
  double frequency_penalty = 0.0;  ///< subtracted once for each time a token was generated
  double presence_penalty = 0.0;   ///< subtracted once if it was generated at all
  std::vector<std::pair<std::int32_t, double>> logit_bias{};  ///< added to a token's logit

  /// Whether the most likely token is taken as the model's logits are.
  [[nodiscard]] bool takes_logits_as_they_are() const noexcept {
    return temperature == 0.0 && repetition_penalty == 1.0 && frequency_penalty == 0.0 &&
           presence_penalty == 0.0 && logit_bias.empty();
  }
};

/// kInvalidArgument names the first option out of range; biased tokens are below vocab_size.
[[nodiscard]] Status check_sampler_options(const SamplerOptions& options,
                                           std::size_t vocab_size);

/// The tokens so far.
struct History {
  std::span<const std::int32_t> prompt{};
  std::span<const std::int32_t> generated{};
};

/// Seeded: the same options and logits give the same tokens on every machine.
class Sampler {
 public:
  explicit Sampler(const SamplerOptions& options) : options_(options), random_(options.seed) {}

  /// @param logits [vocab_size]; @param history for the penalties; @param filter may be null. When
  /// it allows nothing, -1.
  [[nodiscard]] std::int32_t sample(std::span<const float> logits, const History& history,
                                    TokenFilter* filter = nullptr);

 private:
  SamplerOptions options_;
  base::Random random_;
};

/// A token and the natural logarithm of its probability, before anything the sampler does to it.
struct TokenLogProbability {
  std::int32_t token = 0;
  double log_probability = 0.0;
};

/// What the model thought of one token, and of the most likely ones.
struct TokenScore {
  TokenLogProbability token{};
  std::vector<TokenLogProbability> most_likely{};  ///< best first
};

/// Scores `token` and the `count` most likely tokens; equal logits in token order.
[[nodiscard]] TokenScore score_token(std::span<const float> logits, std::int32_t token,
                                     std::size_t count);

}  // namespace trine::runtime
