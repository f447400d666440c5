// Which token may come next, so that the text ends up as a grammar wants it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>

#include "base/result.h"
#include "input/json_grammar/automaton.h"
#include "input/json_grammar/json_grammar.h"
#include "input/json_grammar/token_vocabulary.h"

namespace trine::input::json_grammar {

/// Follows one answer as it is made, token by token. One object per sequence, one thread at a
/// time; grammar and vocabulary are shared.
class TokenConstraint {
 public:
  /// kUnsupported when the vocabulary has not every printable ASCII character as a token of its
  /// own: an answer could then get stuck.
  [[nodiscard]] static Result<TokenConstraint> create(
      std::shared_ptr<const JsonGrammar> grammar,
      std::shared_ptr<const TokenVocabulary> vocabulary);

  /// The ids that may come next, one bit each; the vocabulary's end tokens exactly when the value
  /// is complete. None at all: the end, or bytes are wanted that the vocabulary has not (an enum
  /// of characters without tokens). Valid until the next call. Computed once per state:
  /// docs/constrained_output.md has the times.
  [[nodiscard]] std::span<const std::uint64_t> allowed();

  /// Takes the chosen token. False, and nothing changes, when it was not allowed.
  [[nodiscard]] bool accept(std::int32_t id);

  /// The text so far is a whole value; an end token may come.
  [[nodiscard]] bool is_complete() const { return automaton_.is_complete(state_); }
  /// An end token has come.
  [[nodiscard]] bool has_ended() const noexcept { return ended_; }

 private:
  TokenConstraint(std::shared_ptr<const JsonGrammar> grammar,
                  std::shared_ptr<const TokenVocabulary> vocabulary);
  void compute(TokenMask& mask);
  /// Sets the bits of all tokens of `tree` that may follow `state`.
  void walk(const TokenTree& tree, JsonAutomaton::State state, TokenMask& mask);

  std::shared_ptr<const TokenVocabulary> vocabulary_;
  JsonAutomaton automaton_;
  JsonAutomaton::State state_;
  bool ended_ = false;
  std::unordered_map<JsonAutomaton::State, TokenMask> masks_;  ///< by state
  std::vector<JsonAutomaton::State> path_;                     ///< of walk(), by depth
  TokenMask nothing_;
};

}  // namespace trine::input::json_grammar
