// trine generate
#include <trine/engine.h>

#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <utility>

#include "cli/commands.h"
#include "cli/shared_options.h"

namespace trine::cli {
namespace {

struct GenerateCommandOptions {
  std::string model{};
  std::string prompt{};
  EngineOptions engine{};
  GenerateOptions generate{};
};

double per_second(std::size_t tokens, double seconds) {
  return seconds > 0.0 ? static_cast<double>(tokens) / seconds : 0.0;
}

Status run_generate(const GenerateCommandOptions& options, Output& output) {
  Result<TextModel> model = TextModel::open(options.model, options.engine);
  if (!model) return tl::unexpected<Error>(model.error());
  // The prompt appears once generation is known to work, and where the text goes on from it.
  bool shown = output.json() || model->has_encoder();
  const TextCallback show = [&](std::string_view piece) {
    if (output.json()) return;
    if (!std::exchange(shown, true)) fmt::print("{}", options.prompt);
    fmt::print("{}", piece);
    std::fflush(stdout);
  };
  const Result<GenerateReport> report = model->generate(options.prompt, options.generate, show);
  if (!report) return tl::unexpected<Error>(report.error());
  show("");  // a prompt without a continuation is shown too
  const double prefill = per_second(report->prompt_tokens, report->prefill_seconds);
  const double decode = per_second(report->generated_tokens, report->decode_seconds);
  const Json json = {{"text", report->text},
                     {"finish_reason", report->finish_reason},
                     {"prompt_tokens", report->prompt_tokens},
                     {"generated_tokens", report->generated_tokens},
                     {"prefill_tokens_per_second", prefill},
                     {"decode_tokens_per_second", decode}};
  output.result(json, "");
  if (!output.json()) {
    fmt::print(stderr, "[{} prompt tokens at {:.0f}/s, {} generated at {:.0f}/s, {}]\n",
               report->prompt_tokens, prefill, report->generated_tokens, decode,
               report->finish_reason);
  }
  return {};
}

}  // namespace

DeclareCommand declare_generate;
std::function<Status(Output&)> declare_generate(CLI::App& app) {
  const auto options = std::make_shared<GenerateCommandOptions>();
  add_model_argument(app, options->model);
  app.add_option("--prompt", options->prompt,
                 "Text to continue, or to answer for an encoder–decoder model")
      ->required();
  add_sampling_options(app, options->generate);
  add_engine_options(app, options->engine);
  add_json_option(app);
  app.footer(
      "Examples:\n"
      "  trine generate models/tiny-mixtral --prompt 'The old house' --max-tokens 60\n"
      "  trine generate tiny-3bit --prompt 'It was' --temperature 0.8 --top-p 0.95 "
      "--seed 7\n"
      "An encoder–decoder model (Switch) reads the prompt with its encoder, special tokens of "
      "the\n"
      "tokenizer included, and decodes from decoder_start_token_id; only its answer is "
      "printed.");
  return [options](Output& output) { return run_generate(*options, output); };
}

}  // namespace trine::cli
