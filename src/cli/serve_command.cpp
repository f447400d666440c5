// trine serve
#include <trine/server.h>

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "cli/commands.h"
#include "cli/shared_options.h"

namespace trine::cli {
namespace {

struct ServeCommandOptions {
  std::string model{};
  ServeOptions serve{};
};

Status run_serve(const ServeCommandOptions& options, Output& output) {
  ServeOptions serve = options.serve;
  serve.on_ready = [&](const std::string& address, const ServedModel& model) {
    const Json json = {{"address", address},
                       {"model", serve.model_name.empty() ? model.name : serve.model_name},
                       {"context_length", model.context_length}};
    output.result(json, fmt::format("{} is at {} (context {} tokens). Ctrl-C ends it.\n",
                                    model.name, address, model.context_length));
    std::fflush(stdout);
  };
  return serve_model(options.model, serve);
}

void add_service_options(CLI::App& app, ServiceOptions& service) {
  app.add_option("--parallel", service.most_running, "Requests that generate together")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--queue", service.most_waiting, "Requests that may wait; more get status 429")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  app.add_option("--context", service.context_length,
                 "Tokens of prompt and answer; that of the model by default");
  app.add_option("--kv-cache", service.kv_cache, "Keys and values as fp32, fp16 or int8")
      ->check(CLI::IsMember({"fp32", "fp16", "int8"}))
      ->capture_default_str();
  app.add_option("--kv-cache-bytes", service.kv_cache_bytes,
                 "Memory for keys and values, for example 2GiB; by default room for all "
                 "that run, at most 4 GiB or a quarter of the machine's")
      ->transform(CLI::AsSizeValue(false));
  app.add_option("--prefill-tokens", service.prefill_tokens,
                 "Tokens of new prompts computed between two tokens of running answers")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
}

void add_limit_options(CLI::App& app, ServeOptions& serve) {
  app.add_option("--most-body-bytes", serve.most_body_bytes,
                 "Largest request, for example 8MiB")
      ->transform(CLI::AsSizeValue(false))
      ->capture_default_str();
  app.add_option("--most-connections", serve.most_connections, "Open connections")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app.add_option("--most-unsent-bytes", serve.most_unsent_bytes,
                 "What a client may leave unread before its answer is given up")
      ->transform(CLI::AsSizeValue(false))
      ->capture_default_str();
  app.add_option("--read-seconds", serve.read_seconds, "For the body of a request")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--write-seconds", serve.write_seconds, "For what is written at once")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--drain-seconds", serve.drain_seconds,
                 "For answers under way after Ctrl-C or SIGTERM")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
}

}  // namespace

DeclareCommand declare_serve;
std::function<Status(Output&)> declare_serve(CLI::App& app) {
  const auto options = std::make_shared<ServeCommandOptions>();
  ServeOptions& serve = options->serve;
  add_model_argument(app, options->model);
  app.add_option("--host", serve.host, "Address to listen on; 0.0.0.0 for all of the machine's")
      ->capture_default_str();
  app.add_option("--port", serve.port, "0 takes a free one")->capture_default_str();
  app.add_option("--api-key", serve.api_keys,
                 "Key that requests must send; several may be given; also TRINE_API_KEY")
      ->envname("TRINE_API_KEY");
  app.add_option(
      "--allow-origin", serve.allowed_origins,
      "Web pages that may use the server, for example https://example.org; * for all");
  app.add_option("--model-name", serve.model_name,
                 "Name in answers; by default the directory's");
  add_service_options(app, serve.service);
  add_limit_options(app, serve);
  add_engine_options(app, serve.service.engine);
  add_json_option(app);
  app.footer(
      "Examples:\n"
      "  trine serve models/tiny-mixtral\n"
      "  trine serve tiny-3bit --port 8081 --api-key secret --kv-cache int8\n"
      "  curl http://127.0.0.1:8080/v1/completions -d '{\"prompt\": \"The old house\"}'\n"
      "The endpoints are in docs/server.md.");
  return [options](Output& output) { return run_serve(*options, output); };
}

}  // namespace trine::cli
