// How likely a model finds a text after another, and where in tokens the one ends and the other
// begins.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "input/tokenizer.h"
#include "runtime/engine.h"

namespace trine::eval {

/// Tokens of which the last `num_scored` are predicted, each from all before it.
struct ScoredTokens {
  std::vector<std::int32_t> token_ids{};
  std::size_t num_scored = 0;
};

struct Loglikelihood {
  double value = 0.0;     ///< Σ log p, nats
  bool is_greedy = true;  ///< every predicted token was the most likely one
};

/// Turns text into tokens to be scored, as lm-evaluation-harness does with a causal model.
class PairEncoder {
 public:
  /// @param max_length tokens the model is given at most.
  PairEncoder(const input::Tokenizer& tokenizer, std::size_t max_length)
      : tokenizer_(tokenizer), max_length_(max_length) {}

  /// White space at the end of the context goes to the continuation; both are encoded together,
  /// and all tokens after as many as the context has alone are the continuation's. An empty
  /// context is one token: BOS, else EOS. Too long a context loses its beginning. kMalformed when
  /// the continuation has no token or more than max_length.
  [[nodiscard]] Result<ScoredTokens> pair(std::string_view context,
                                          std::string_view continuation) const;

  /// A whole text in disjoint pieces of at most max_length predicted tokens; each is given the
  /// token before it, the first one BOS, else EOS.
  [[nodiscard]] Result<std::vector<ScoredTokens>> rolling(std::string_view text) const;

  /// A prompt to be continued, with what the tokenizer adds; of a long one the last `most` tokens.
  [[nodiscard]] std::vector<std::int32_t> prompt(std::string_view text, std::size_t most) const;

 private:
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text) const;
  /// The token that stands for "nothing before".
  [[nodiscard]] Result<std::int32_t> prefix() const;

  const input::Tokenizer& tokenizer_;
  std::size_t max_length_;
};

/// One score per text, in order. The texts of one group are scored together, and what their
/// contexts have in common is run once: with a steady engine (Engine::set_steady) the result is the
/// same to the bit as that of each text alone. kUnsupported for encoder–decoder models.
[[nodiscard]] Result<std::vector<Loglikelihood>> score_group(
    runtime::Engine& engine, std::span<const ScoredTokens> group);

}  // namespace trine::eval
