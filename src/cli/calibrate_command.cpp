// trine calibrate
#include <trine/calibrate.h>

#include <fmt/format.h>

#include <memory>

#include "cli/commands.h"
#include "cli/progress_display.h"
#include "cli/shared_options.h"

namespace trine::cli {
namespace {

struct CalibrateCommandOptions {
  std::string model{};
  CalibrateOptions calibrate{};
};

/// Experts named one by one in the text output; JSON has all of them.
constexpr std::size_t kMostNamed = 8;

Json to_json(const CalibrateReport& report, const std::string& output) {
  Json unseen = Json::array();
  for (const UnseenExpert& expert : report.unseen_experts) {
    unseen.push_back({{"layer", expert.layer}, {"expert", expert.expert}});
  }
  return {{"statistics", output},
          {"tokens", report.tokens},
          {"windows", report.windows},
          {"window", report.window},
          {"moments", report.moments},
          {"sites", report.sites},
          {"unseen_experts", std::move(unseen)},
          {"bytes_written", report.bytes_written},
          {"seconds", report.seconds},
          {"peak_rss_bytes", report.peak_rss_bytes}};
}

std::string describe_unseen(const std::vector<UnseenExpert>& unseen) {
  if (unseen.empty()) return "none";
  std::string text = fmt::format("{}:", unseen.size());
  for (std::size_t i = 0; i < unseen.size() && i < kMostNamed; ++i) {
    text += fmt::format("{} layer {} expert {}", i > 0 ? "," : "", unseen[i].layer,
                        unseen[i].expert);
  }
  if (unseen.size() > kMostNamed) text += ", …";
  return text;
}

std::string describe(const CalibrateReport& report, const std::string& output) {
  return fmt::format(
      "{}\n"
      "  size             {}, {} moments of {} sites\n"
      "  tokens           {}; {} windows of {} run now\n"
      "  unseen experts   {}\n"
      "  time             {}, peak memory {}",
      output, format_bytes(static_cast<double>(report.bytes_written)), report.moments,
      report.sites, report.tokens, report.windows, report.window,
      describe_unseen(report.unseen_experts), format_duration(report.seconds),
      format_bytes(static_cast<double>(report.peak_rss_bytes)));
}

Status run_calibrate(const CalibrateCommandOptions& options, Output& output) {
  Result<CalibrateReport> report = [&] {
    ProgressDisplay display("calibrating");
    return calibrate_model(options.model, options.calibrate, display.callback());
  }();
  if (!report) return tl::unexpected<Error>(report.error());
  const std::string& file = options.calibrate.output;
  output.result(to_json(*report, file), describe(*report, file));
  return {};
}

}  // namespace

DeclareCommand declare_calibrate;
std::function<Status(Output&)> declare_calibrate(CLI::App& app) {
  const auto options = std::make_shared<CalibrateCommandOptions>();
  CalibrateOptions& calibrate = options->calibrate;
  add_model_argument(app, options->model);
  app.add_option("--text", calibrate.text_files, "UTF-8 text files, read one after the other");
  app.add_option("-o,--output", calibrate.output,
                 "File to write, for example mixtral.trinestats")
      ->required();
  app.add_option("--tokens", calibrate.max_tokens, "Use at most so many tokens (default: all)");
  app.add_option(
      "--window", calibrate.window,
      "Tokens that see each other (default: 2048, or the model's positions if fewer)");
  app.add_option("--moments", calibrate.moments,
                 "diagonal: the mean square of every input; blocks: also mean products within "
                 "128 consecutive inputs; full: of all inputs of a matrix (default: diagonal)");
  app.add_option("--memory", calibrate.memory_bytes,
                 "Most memory the moments may take (default: 4GiB)")
      ->transform(CLI::AsSizeValue(true));
  app.add_option("--merge", calibrate.merge,
                 "Statistics of the same model to add; without --text they are only merged");
  add_engine_options(app, calibrate.engine);
  add_json_option(app);
  app.footer(
      "Examples:\n"
      "  trine calibrate models/tiny-mixtral --text models/tiny-mixtral/sample.txt \\\n"
      "      -o tiny.trinestats\n"
      "  trine calibrate models/tiny-mixtral --text a.txt b.txt --tokens 100000 \\\n"
      "      --moments blocks -o tiny.trinestats --json\n"
      "  trine calibrate models/tiny-mixtral --merge a.trinestats b.trinestats \\\n"
      "      -o both.trinestats\n"
      "Windows are disjoint; what is left at the end of the text is not used. The file is the\n"
      "same for any number of threads. Its format: docs/statistics.md.");
  return [options](Output& output) { return run_calibrate(*options, output); };
}

}  // namespace trine::cli
