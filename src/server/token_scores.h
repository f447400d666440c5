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
  /// @param offset of the first token, in characters.
  CompletionScores(const Service& service, std::size_t offset)
      : service_(service), offset_(offset) {}

  /// A token nothing is known about: the first of a prompt.
  void add_unscored(std::int32_t token);
  void add(const ScoredToken& token, bool is_end_token);
  [[nodiscard]] Json json() const;
  [[nodiscard]] std::size_t offset() const noexcept { return offset_; }

 private:
  void add_text(std::int32_t token, bool is_end_token);

  const Service& service_;
  std::size_t offset_;
  Json tokens_ = Json::array(), logprobs_ = Json::array(), top_ = Json::array(),
       offsets_ = Json::array();
};

}  // namespace trine::server
