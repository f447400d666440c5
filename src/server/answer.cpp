#include "server/answer.h"

#include <array>
#include <chrono>
#include <random>

namespace trine::server {
namespace {

std::string random_id() {
  constexpr std::string_view kDigits = "0123456789abcdefghijklmnopqrstuvwxyz";
  thread_local std::mt19937_64 random{std::random_device{}()};
  std::string id;
  for (int i = 0; i < 24; ++i) id += kDigits[random() % kDigits.size()];
  return id;
}

std::string event_of(const std::string& data) { return "data: " + data + "\n\n"; }

}  // namespace

ApiError api_error_of(const Error& error, const std::string& prompt_field) {
  if (error.code != ErrorCode::kInvalidArgument) {
    return {.status = 500, .message = error.message};
  }
  // The sentences of options begin with their names.
  const std::string word = error.message.substr(0, error.message.find(' '));
  constexpr std::array kFields = {"temperature",
                                  "top_p",
                                  "min_p",
                                  "max_tokens",
                                  "logit_bias",
                                  "repetition_penalty",
                                  "frequency_penalty",
                                  "presence_penalty",
                                  "stop"};
  std::string param = word == "prompt" ? prompt_field : std::string();
  for (const char* field : kFields) {
    if (word == field) param = word;
  }
  return {.status = 400, .message = error.message, .param = param};
}

Answer::Answer(Service& service, std::shared_ptr<HttpExchange> exchange,
               std::unique_ptr<AnswerFormat> format, AnswerPlan plan)
    : service_(service),
      exchange_(std::move(exchange)),
      format_(std::move(format)),
      plan_(std::move(plan)),
      id_(format_->id_prefix() + random_id()),
      created_(std::chrono::duration_cast<std::chrono::seconds>(
                   std::chrono::system_clock::now().time_since_epoch())
                   .count()) {
  // Every piece of a stream is the same around its choice.
  chunk_head_ = "data: " + dumped({{"id", id_},
                                   {"object", format_->piece_object()},
                                   {"created", created_},
                                   {"model", plan_.model}});
  chunk_head_.back() = ',';
  chunk_head_ += "\"choices\":[";
  chunk_tail_ = plan_.includes_usage ? "],\"usage\":null}\n\n" : "]}\n\n";
}

void Answer::start(std::vector<GenerationRequest> requests) {
  const auto self = shared_from_this();
  const auto exchange = exchange_;  // the last event may come before the end of this function
  {
    // Events that come meanwhile wait for the lock.
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < requests.size(); ++i) {
      choices_.push_back({.index = i, .prompt = requests[i].prompt});
    }
    unfinished_ = choices_.size();
    for (std::size_t i = 0; i < requests.size(); ++i) {
      const auto submitted =
          service_.submit(std::move(requests[i]),
                          [self, i](const GenerationEvent& event) { self->take(i, event); });
      if (!submitted) return fail_locked(api_error_of(submitted.error(), "prompt"));
      if (!*submitted) {
        return fail_locked(
            {.status = 429, .message = "too many requests are waiting; try again later"});
      }
      requests_.push_back(**submitted);
    }
    if (plan_.is_stream) {
      exchange_->begin_stream({.content_type = "text/event-stream", .headers = plan_.headers});
    }
  }
  exchange->on_close([weak = weak_from_this()] {
    if (const auto answer = weak.lock()) answer->abandon();
  });
}

std::string Answer::chunk(const Json& choice) const {
  return chunk_head_ + dumped(choice) + chunk_tail_;
}

void Answer::take(std::size_t index, const GenerationEvent& event) {
  const std::lock_guard lock(mutex_);
  if (is_over_) return;
  if (event.finish_reason == "error") {
    return fail_locked({.status = 500, .message = event.error});
  }
  Choice& choice = choices_[index];
  choice.prompt_tokens = event.prompt_tokens;
  choice.cached_tokens = event.cached_tokens;
  choice.generated_tokens = event.generated_tokens;
  choice.text += event.text;
  for (const ScoredToken& score : event.prompt_scores) choice.prompt_scores.push_back(score);
  if (event.token) choice.tokens.push_back(*event.token);
  choice.ends_with_end_token = event.is_end_token;
  if (event.finish_reason) {
    choice.finish_reason = *event.finish_reason;
    --unfinished_;
  }
  if (plan_.is_stream && (event.token || event.finish_reason)) {
    std::string sent;
    for (const Json& piece : format_->pieces(choice)) sent += chunk(piece);
    if (!sent.empty()) exchange_->send(std::move(sent));
  }
  if (unfinished_ == 0) finish();
}

Json Answer::usage() const {
  std::size_t prompt = 0, cached = 0, generated = 0;
  for (const Choice& choice : choices_) {
    if (choice.index % plan_.n == 0) {  // a prompt counts once, however many choices it has
      prompt += choice.prompt_tokens;
      cached += choice.cached_tokens;
    }
    if (!plan_.drops_answer) generated += choice.generated_tokens;
  }
  return {{"prompt_tokens", prompt},
          {"completion_tokens", generated},
          {"total_tokens", prompt + generated},
          {"prompt_tokens_details", {{"cached_tokens", cached}}}};
}

void Answer::finish() {
  is_over_ = true;
  if (plan_.is_stream) {
    std::string last;
    if (plan_.includes_usage) {
      last = event_of(dumped({{"id", id_},
                              {"object", format_->piece_object()},
                              {"created", created_},
                              {"model", plan_.model},
                              {"choices", Json::array()},
                              {"usage", usage()}}));
    }
    exchange_->send(last + event_of("[DONE]"));
    exchange_->end();
  } else {
    Json choices = Json::array();
    for (const Choice& choice : choices_) choices.push_back(format_->whole(choice));
    exchange_->respond({.body = dumped({{"id", id_},
                                        {"object", format_->whole_object()},
                                        {"created", created_},
                                        {"model", plan_.model},
                                        {"choices", std::move(choices)},
                                        {"usage", usage()}}),
                        .headers = plan_.headers});
  }
  exchange_.reset();
}

void Answer::cancel_all() {
  for (const RequestId id : requests_) service_.cancel(id);
}

/// The client is gone.
void Answer::abandon() {
  const std::lock_guard lock(mutex_);
  if (std::exchange(is_over_, true)) return;
  cancel_all();
  exchange_.reset();
}

void Answer::fail(const ApiError& error) {
  const std::lock_guard lock(mutex_);
  if (!is_over_) fail_locked(error);
}

void Answer::fail_locked(const ApiError& error) {
  is_over_ = true;
  cancel_all();
  const bool has_begun = plan_.is_stream && requests_.size() == choices_.size();
  if (has_begun) {
    exchange_->send(event_of(error_body(error)));
    exchange_->end();
  } else {
    HttpResponse response = error_response(error);
    response.headers = plan_.headers;
    if (error.status == 429) response.headers.emplace_back("Retry-After", "1");
    exchange_->respond(std::move(response));
  }
  exchange_.reset();
}

}  // namespace trine::server
