// trine eval
#include <trine/evaluate.h>

#include <fmt/format.h>

#include <memory>

#include "cli/commands.h"
#include "cli/progress_display.h"
#include "cli/shared_options.h"

namespace trine::cli {
namespace {

struct Options {
  std::string model{};
  std::string task = "perplexity";
  std::size_t stride = 0;
  PerplexityOptions perplexity{};
};

Json to_json(const PerplexityReport& report, const PerplexityOptions& options) {
  Json json = {{"task", "perplexity"},
               {"protocol", report.protocol},
               {"text", options.text_file},
               {"window", report.window},
               {"stride", report.stride},
               {"tokens", report.tokens},
               {"scored_tokens", report.scored_tokens},
               {"windows", report.windows}};
  add_score(json, "perplexity", report.perplexity.value, report.perplexity.standard_error);
  add_score(json, "nll", report.nll.value, report.nll.standard_error);
  const auto add = [&](const char* key, const std::optional<Score>& score) {
    if (score) add_score(json, key, score->value, score->standard_error);
  };
  add("kl_divergence", report.kl_divergence);
  add("top1_agreement", report.top1_agreement);
  add("routing_agreement", report.routing_agreement);
  json["seconds"] = report.seconds;
  json["peak_rss_bytes"] = report.peak_rss_bytes;
  return json;
}

std::string describe(const PerplexityReport& report, const PerplexityOptions& options) {
  std::string text = fmt::format(
      "perplexity         {:.4f} ± {:.4f}\n"
      "  text             {}: {} tokens, {} scored in {} windows\n"
      "  protocol         {}, window {}{}\n",
      report.perplexity.value, report.perplexity.standard_error, options.text_file,
      report.tokens, report.scored_tokens, report.windows, report.protocol, report.window,
      report.stride == report.window ? "" : fmt::format(", stride {}", report.stride));
  const auto add = [&](const char* name, const std::optional<Score>& score) {
    if (!score) return;
    text += fmt::format("{:<18} {:.5f} ± {:.5f}\n", name, score->value, score->standard_error);
  };
  add("kl divergence", report.kl_divergence);
  add("top-1 agreement", report.top1_agreement);
  add("routing agreement", report.routing_agreement);
  return text + fmt::format("time               {}, peak memory {}",
                            format_duration(report.seconds),
                            format_bytes(static_cast<double>(report.peak_rss_bytes)));
}

Status run_eval(Options& options, Output& output) {
  if (options.stride != 0) options.perplexity.stride = options.stride;
  Result<PerplexityReport> report = [&] {
    ProgressDisplay display("evaluating");
    return evaluate_perplexity(options.model, options.perplexity, display.callback());
  }();
  if (!report) return tl::unexpected<Error>(report.error());
  output.result(to_json(*report, options.perplexity), describe(*report, options.perplexity));
  return {};
}

}  // namespace

DeclareCommand declare_eval;
std::function<Status(Output&)> declare_eval(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  add_model_argument(app, options->model);
  app.add_option("--task", options->task, "What to measure: perplexity")
      ->check(CLI::IsMember({"perplexity"}))
      ->capture_default_str();
  app.add_option("--text", options->perplexity.text_file, "UTF-8 text file")->required();
  app.add_option("--window", options->perplexity.window, "Tokens run together")
      ->capture_default_str();
  app.add_option("--stride", options->stride,
                 "Slide the window by this many tokens and score only new ones (default: "
                 "disjoint windows)");
  app.add_option("--reference", options->perplexity.reference,
                 "The original model: also measure KL divergence, top-1 and routing agreement");
  add_engine_options(app, options->perplexity.engine);
  add_json_option(app);
  app.footer(
      "Examples:\n"
      "  trine eval models/tiny-mixtral --text models/tiny-mixtral/sample.txt --window 256\n"
      "  trine eval tiny-3bit --reference models/tiny-mixtral \\\n"
      "      --text models/tiny-mixtral/sample.txt --window 256 --json\n"
      "Standard errors treat windows as the independent draws. Figures of different texts,\n"
      "windows or protocols are not comparable. Encoder–decoder models (Switch) have a "
      "protocol of\n"
      "their own, halves: of each disjoint window the encoder reads the first half of the "
      "tokens,\n"
      "the decoder is given its start token and predicts the second half, all of it scored.");
  return [options](Output& output) { return run_eval(*options, output); };
}

}  // namespace trine::cli
