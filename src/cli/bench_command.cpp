// trine bench
#include <trine/engine.h>

#include <fmt/format.h>

#include <memory>

#include "cli/bench_modes.h"
#include "cli/commands.h"
#include "cli/shared_options.h"

namespace trine::cli {
namespace {

struct BenchCommandOptions {
  std::string model{};
  EngineOptions engine{};
  SpeedOptions speed{};
  BenchModes modes{};
};

std::string describe(const SpeedReport& report, const SpeedOptions& options) {
  return fmt::format(
      "prefill          {:.1f} tokens/s ({} tokens; first token after {:.3f} s)\n"
      "decode           {:.1f} tokens/s ({} tokens, one sequence)\n"
      "active weights   {} per token\n"
      "read bandwidth   {}/s, read between the tokens: decode limit {:.1f} tokens/s\n"
      "decode reads     {:.1f} % of that, half of the steps {:.1f} to {:.1f} %{}\n"
      "peak memory      {}\n"
      "machine          {} threads, {}",
      report.prefill_tokens_per_second, options.prompt_tokens, report.first_token_seconds,
      report.decode_tokens_per_second, options.decode_tokens, format_bytes(report.active_bytes),
      format_bytes(report.read_bandwidth), report.decode_limit,
      100.0 * report.decode_read_share, 100.0 * report.decode_read_share_first_quartile,
      100.0 * report.decode_read_share_third_quartile,
      report.fits_in_cache ? " (no real limit: the weights fit the processor's cache)" : "",
      format_bytes(static_cast<double>(report.peak_rss_bytes)), report.threads, report.isa);
}

Status run_bench(const BenchCommandOptions& options, Output& output) {
  if (options.modes.any()) return run_bench_mode(options.modes, options.engine, output);
  const Result<SpeedReport> report =
      measure_speed(options.model, options.speed, options.engine);
  if (!report) return tl::unexpected<Error>(report.error());
  const Json json = {
      {"prefill_tokens_per_second", report->prefill_tokens_per_second},
      {"first_token_seconds", report->first_token_seconds},
      {"decode_tokens_per_second", report->decode_tokens_per_second},
      {"prompt_tokens", options.speed.prompt_tokens},
      {"decode_tokens", options.speed.decode_tokens},
      {"active_bytes", report->active_bytes},
      {"read_bandwidth_bytes_per_second", report->read_bandwidth},
      {"decode_limit_tokens_per_second", report->decode_limit},
      {"decode_read_share", report->decode_read_share},
      {"decode_read_share_quartiles",
       {report->decode_read_share_first_quartile, report->decode_read_share_third_quartile}},
      {"fits_in_cache", report->fits_in_cache},
      {"peak_rss_bytes", report->peak_rss_bytes},
      {"threads", report->threads},
      {"isa", report->isa}};
  output.result(json, describe(*report, options.speed));
  return {};
}

}  // namespace

DeclareCommand declare_bench;
std::function<Status(Output&)> declare_bench(CLI::App& app) {
  const auto options = std::make_shared<BenchCommandOptions>();
  app.add_option("MODEL", options->model, "Model directory, original or packed");
  app.add_option("--prompt-tokens", options->speed.prompt_tokens, "Length of the prompt")
      ->capture_default_str();
  app.add_option("--decode-tokens", options->speed.decode_tokens, "Tokens decoded after it")
      ->capture_default_str();
  app.add_option("--repeats", options->speed.repeats, "Runs; medians are shown")
      ->capture_default_str();
  add_engine_options(app, options->engine);
  add_bench_modes(app, options->modes);
  add_json_option(app);
  app.callback([&app, options] {
    if (options->model.empty() != options->modes.any()) {
      throw CLI::RequiredError(
          "Either MODEL or one of --machine, --kernels, --layer, --compress");
    }
    check_bench_usage(app, options->modes);
  });
  app.footer(
      "Examples:\n"
      "  trine bench tiny-3bit --threads 1 --isa avx2\n"
      "  trine bench --machine\n"
      "  trine bench --kernels --bits 3,4 --batch 1,16 --activations 8\n"
      "  trine bench --kernels --shapes 2048x768 --rank 0 --json\n"
      "  trine bench --layer\n"
      "  trine bench --layer --hidden 2048 --intermediate 768 --experts 128 "
      "--experts-per-token 8\n"
      "  trine bench --compress --shape 4096x14336 --bits 3 --rank 32\n"
      "docs/measurements/kernels.md says how to read the tables. Measure on a quiet machine.\n"
      "For an encoder–decoder model, prefill is the encoder's run over the prompt and the "
      "decoder's\n"
      "first token; decode and its active weights are the decoder's alone.");
  return [options](Output& output) { return run_bench(*options, output); };
}

}  // namespace trine::cli
