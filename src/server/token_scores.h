// Log-probabilities in the two forms of OpenAI's API.
#pragma once

#include <trine/serving.h>

#include <span>

#include "server/answer.h"

namespace trine::server {

/// {"content":[{"token","bytes","logprob","top_logprobs"}]} of /v1/chat/completions.
[[nodiscard]] Json chat_scores(const Service& service, std::span<const ScoredToken> tokens);

/// {"tokens","token_logprobs","top_logprobs","text_offset"} of /v1/completions.
class CompletionScores {
 public:
  /// Where the next token's text is.
  struct Place {
    std::size_t offset = 0;  ///< in characters of the returned text
    /// Nothing is before it, not even a prompt that is not returned: some tokenizers then leave out
    /// the space their first word begins with.
    bool is_beginning = false;
  };

  CompletionScores(const Service& service, const Place& place)
      : service_(service), place_(place) {}

  /// A token nothing is known about: the first of a prompt.
  void add_unscored(std::int32_t token);
  void add(const ScoredToken& token, bool is_end_token);
  [[nodiscard]] Json json() const;
  [[nodiscard]] const Place& place() const noexcept { return place_; }

 private:
  void add_text(std::int32_t token, bool is_end_token);

  const Service& service_;
  Place place_;
  Json tokens_ = Json::array(), logprobs_ = Json::array(), top_ = Json::array(),
       offsets_ = Json::array();
};

}  // namespace trine::server
