#include "server/metrics.h"

#include <charconv>
#include <string_view>

#include "server/routes.h"

namespace trine::server {
namespace {

class MetricsText {
 public:
  void add(std::string_view name, std::string_view type, std::string_view help, double value) {
    char digits[32];
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    text_ += "# HELP ";
    text_.append(name).append(" ").append(help);
    text_.append("\n# TYPE ").append(name).append(" ").append(type);
    text_.append("\n").append(name).append(" ").append(digits, end).append("\n");
  }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  std::string text_{};
};

double ratio(double part, double whole) { return whole > 0.0 ? part / whole : 0.0; }

}  // namespace

void handle_metrics(ServerState& server, const std::shared_ptr<HttpExchange>& exchange,
                    const HttpRequest& request) {
  const ServiceStatus status = server.service.load()->status();
  const auto count = [](std::uint64_t value) { return static_cast<double>(value); };
  const double prompt = count(status.prompt_tokens_total);
  const double generated = count(status.generated_tokens_total);
  const double kv_share = ratio(count(status.kv_cache_tokens), count(status.kv_cache_capacity));
  MetricsText text;
  const auto counter = [&](const char* name, const char* help, double value) {
    text.add(name, "counter", help, value);
  };
  const auto gauge = [&](const char* name, const char* help, double value) {
    text.add(name, "gauge", help, value);
  };
  counter("trine_http_requests_total", "HTTP requests", count(server.http_requests));
  counter("trine_http_errors_total", "HTTP requests that were refused",
          count(server.http_errors));
  gauge("trine_connections", "Open connections", count(server.listener->connections()));
  counter("trine_requests_total", "Generations started", count(status.requests_total));
  gauge("trine_requests_running", "Generations in the current batch", count(status.running));
  gauge("trine_requests_waiting", "Generations that wait for a place", count(status.waiting));
  counter("trine_prompt_tokens_total", "Prompt tokens computed", prompt);
  counter("trine_cached_tokens_total", "Prompt tokens known from earlier requests",
          count(status.cached_tokens_total));
  counter("trine_generated_tokens_total", "Tokens generated", generated);
  counter("trine_prompt_seconds_total", "Seconds spent on prompts",
          status.prompt_seconds_total);
  counter("trine_generate_seconds_total", "Seconds spent on generating",
          status.generate_seconds_total);
  counter("trine_preemptions_total", "Generations that gave their memory back for a while",
          count(status.preemptions_total));
  gauge("trine_kv_cache_tokens", "Tokens the KV cache holds for running requests",
        count(status.kv_cache_tokens));
  gauge("trine_kv_cache_capacity_tokens", "Tokens the KV cache has room for",
        count(status.kv_cache_capacity));
  // The names dashboards for llama.cpp look for.
  counter("llamacpp:prompt_tokens_total", "Prompt tokens computed", prompt);
  counter("llamacpp:tokens_predicted_total", "Tokens generated", generated);
  gauge("llamacpp:prompt_tokens_seconds", "Prompt tokens per second",
        ratio(prompt, status.prompt_seconds_total));
  gauge("llamacpp:predicted_tokens_seconds", "Generated tokens per second",
        ratio(generated, status.generate_seconds_total));
  gauge("llamacpp:kv_cache_usage_ratio", "Share of the KV cache in use", kv_share);
  gauge("llamacpp:kv_cache_tokens", "Tokens in the KV cache", count(status.kv_cache_tokens));
  gauge("llamacpp:requests_processing", "Generations in the current batch",
        count(status.running));
  gauge("llamacpp:requests_deferred", "Generations that wait for a place",
        count(status.waiting));
  respond_with(
      server, exchange, request,
      {.content_type = "text/plain; version=0.0.4; charset=utf-8", .body = text.take()});
}

}  // namespace trine::server
