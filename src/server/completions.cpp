#include "server/completions.h"

#include <algorithm>
#include <random>

#include "server/answer.h"
#include "server/answer_formats.h"
#include "server/chat_prompt.h"
#include "server/routes.h"

namespace trine::server {
namespace {

/// A seed nobody asked for is one nobody can guess.
std::uint64_t fresh_seed() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

/// Turns of different keys, or of different addresses, are fair to each other.
std::string client_of(const HttpRequest& request) {
  return request.authorization.empty() ? request.client : request.authorization;
}

Parsed<bool> check_length(const Service& service, std::size_t length, const char* field) {
  const std::size_t most = service.model().context_length;
  if (length < most) return true;
  return tl::unexpected<ApiError>(ApiError{
      400,
      std::string(field) + " has " + std::to_string(length) + " tokens, and the context of " +
          std::to_string(most) + " tokens must also have room for the answer",
      field, "context_length_exceeded"});
}

/// n requests for each prompt.
std::vector<GenerationRequest> repeated(const GenerationBody& body,
                                        std::vector<std::vector<std::int32_t>> prompts,
                                        const std::string& client) {
  const std::uint64_t seed = body.has_seed ? body.request.seed : fresh_seed();
  std::vector<GenerationRequest> requests;
  for (std::vector<std::int32_t>& prompt : prompts) {
    for (std::size_t i = 0; i < body.n; ++i) {
      GenerationRequest request = body.request;
      request.prompt = prompt;
      request.client = client;
      request.seed = seed + i;
      requests.push_back(std::move(request));
    }
  }
  return requests;
}

}  // namespace

Parsed<bool> check_scores(std::size_t context_length,
                          const std::vector<GenerationRequest>& requests) {
  std::size_t scores = 0;
  for (const GenerationRequest& request : requests) {
    if (!request.top_scores) return true;
    const std::size_t length = std::min(request.prompt.size(), context_length);
    const std::size_t tokens = std::min(request.max_tokens, context_length - length) +
                               (request.scores_prompt ? length : 0);
    scores += tokens * (*request.top_scores + 1);
  }
  if (requests.size() == 1 || scores <= kMostScores) return true;
  return refuse("logprobs", "the answers may have " + std::to_string(scores) +
                                " log-probabilities together, at most " +
                                std::to_string(kMostScores) +
                                " are sent; ask for fewer answers, tokens or logprobs");
}

void handle_completion(ServerState& server, const std::shared_ptr<HttpExchange>& exchange,
                       const HttpRequest& request) {
  Service& service = *server.service.load();
  auto body = parse_completion_body(request.body);
  if (!body) return refuse_with(server, exchange, request, body.error());
  std::vector<std::vector<std::int32_t>> prompts;
  for (const Prompt& prompt : body->prompts) {
    const auto* text = std::get_if<std::string>(&prompt);
    prompts.push_back(text != nullptr ? service.encode(*text, true)
                                      : std::get<std::vector<std::int32_t>>(prompt));
    const auto fits = check_length(service, prompts.back().size(), "prompt");
    if (!fits) return refuse_with(server, exchange, request, fits.error());
  }
  const GenerationBody& generation = body->generation;
  auto requests = repeated(generation, std::move(prompts), client_of(request));
  const auto is_bounded = check_scores(service.model().context_length, requests);
  if (!is_bounded) return refuse_with(server, exchange, request, is_bounded.error());
  auto format = make_completion_format({.service = &service,
                                        .prompts = body->prompts,
                                        .n = generation.n,
                                        .echo = body->echo,
                                        .has_scores = generation.request.top_scores.has_value(),
                                        .drops_answer = body->drops_answer});
  const auto answer = std::make_shared<Answer>(
      service, exchange, std::move(format),
      AnswerPlan{server.model_name(), generation.is_stream, generation.includes_usage,
                 origin_headers(server, request), generation.n, body->drops_answer});
  answer->start(std::move(requests));
}

void handle_chat(ServerState& server, const std::shared_ptr<HttpExchange>& exchange,
                 const HttpRequest& request) {
  Service& service = *server.service.load();
  auto body = parse_chat_body(request.body);
  if (!body) return refuse_with(server, exchange, request, body.error());
  auto prompt = encode_chat(service, *body);
  if (!prompt) return refuse_with(server, exchange, request, prompt.error());
  const auto fits = check_length(service, prompt->size(), "messages");
  if (!fits) return refuse_with(server, exchange, request, fits.error());
  std::vector<GenerationRequest> requests =
      repeated(body->generation, {std::move(*prompt)}, client_of(request));
  const auto is_bounded = check_scores(service.model().context_length, requests);
  if (!is_bounded) return refuse_with(server, exchange, request, is_bounded.error());
  auto filters = filters_for(service, *body);  // each follows its own answer
  if (!filters) return refuse_with(server, exchange, request, filters.error());
  for (std::size_t i = 0; i < requests.size(); ++i) requests[i].filter = (*filters)[i];
  const GenerationBody& generation = body->generation;
  auto format = make_chat_format(
      {.service = &service,
       .has_scores = generation.request.top_scores.has_value(),
       .reads_tool_calls = !body->tools.is_null() && body->tool_choice != "none"});
  const auto answer = std::make_shared<Answer>(
      service, exchange, std::move(format),
      AnswerPlan{server.model_name(), generation.is_stream, generation.includes_usage,
                 origin_headers(server, request), generation.n});
  answer->start(std::move(requests));
}

}  // namespace trine::server
