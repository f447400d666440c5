// One request's answer: several choices that generate together, sent whole or in pieces.
#pragma once

#include <trine/serving.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "server/body_fields.h"
#include "server/http_exchange.h"

namespace trine::server {

/// What has come of one choice.
struct Choice {
  std::size_t index = 0;
  std::vector<std::int32_t> prompt{};
  std::string text{};
  std::vector<ScoredToken> prompt_scores{};
  std::vector<ScoredToken> tokens{};  ///< kept when they are scored
  bool ends_with_end_token = false;
  std::string finish_reason{};  ///< empty: not yet
  std::size_t prompt_tokens = 0, cached_tokens = 0, generated_tokens = 0;
  std::size_t sent_tokens = 0;  ///< of tokens, in pieces
  std::size_t sent_bytes = 0;   ///< of text
  bool was_opened = false;
};

/// How an endpoint writes choices. One thread at a time.
class AnswerFormat {
 public:
  AnswerFormat() = default;
  AnswerFormat(const AnswerFormat&) = delete;
  AnswerFormat& operator=(const AnswerFormat&) = delete;
  virtual ~AnswerFormat() = default;

  [[nodiscard]] virtual std::string id_prefix() const = 0;  ///< "cmpl-"
  [[nodiscard]] virtual std::string whole_object() const = 0;
  [[nodiscard]] virtual std::string piece_object() const = 0;

  /// An element of "choices" with all of it.
  [[nodiscard]] virtual Json whole(const Choice& choice) = 0;
  /// Elements of "choices", one per piece: what was not sent yet; the last ones with a
  /// finish_reason. Counts what it takes as sent.
  [[nodiscard]] virtual std::vector<Json> pieces(Choice& choice) = 0;
};

struct AnswerRequest {
  GenerationRequest generation{};
  std::size_t num_repeats = 1;  ///< choices for this prompt, seeds apart
};

struct AnswerPlan {
  std::string model{};
  bool is_stream = false;
  bool includes_usage = false;
  std::vector<std::pair<std::string, std::string>> headers{};
  std::size_t n = 1;          ///< choices of each prompt, next to each other
  bool drops_answer = false;  ///< only the prompts are wanted
};

/// Shared by the exchange and the callbacks of the service; goes when both are done with it.
class Answer : public std::enable_shared_from_this<Answer> {
 public:
  Answer(Service& service, std::shared_ptr<HttpExchange> exchange,
         std::unique_ptr<AnswerFormat> format, AnswerPlan plan);

  /// Submits one generation per choice. All are cancelled when one is refused or the client goes.
  void start(std::vector<GenerationRequest> requests);

  /// Gives up: an error to the client if nothing was sent yet, else at the end of the stream.
  void fail(const ApiError& error);

 private:
  void take(std::size_t index, const GenerationEvent& event);
  void finish();
  void cancel_all();
  void abandon();
  void fail_locked(const ApiError& error);
  [[nodiscard]] std::string chunk(const Json& choice) const;
  [[nodiscard]] Json usage() const;

  Service& service_;
  std::shared_ptr<HttpExchange> exchange_;
  std::unique_ptr<AnswerFormat> format_;
  AnswerPlan plan_;
  std::string id_;
  std::int64_t created_;
  std::string chunk_head_{}, chunk_tail_{};  ///< of a stream's piece, around its choice
  std::mutex mutex_{};
  std::vector<Choice> choices_{};
  std::vector<RequestId> requests_{};
  std::size_t unfinished_ = 0;
  bool is_over_ = false;
};

/// The refusal a service's error becomes; `prompt_field` is what clients call the prompt.
[[nodiscard]] ApiError api_error_of(const Error& error, const std::string& prompt_field);

}  // namespace trine::server
