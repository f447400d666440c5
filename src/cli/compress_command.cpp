// trine compress
#include <trine/compress.h>

#include <fmt/format.h>

#include <memory>

#include "cli/commands.h"
#include "cli/plan_options.h"
#include "cli/progress_display.h"
#include "cli/shared_options.h"

namespace trine::cli {
namespace {

struct CompressCommandOptions {
  std::string source{};
  std::string target{};
  CompressOptions compress{};
};

/// A line about infinities and NaNs; empty when there are none.
std::string nonfinite_warning(const CompressReport& report) {
  if (report.nonfinite_weights == 0) return "";
  return fmt::format(
      "\n  warning          {} weights in {} tensors are infinite or not a number, {} first; "
      "packed as 0, kept in tensors that are copied",
      report.nonfinite_weights, report.nonfinite_tensors, report.first_nonfinite_tensor);
}

Status run_compress(const CompressCommandOptions& options, Output& output) {
  Result<CompressReport> report = [&] {
    ProgressDisplay display("compressing");
    return compress_model(options.source, options.target, options.compress, display.callback());
  }();
  if (!report) return tl::unexpected<Error>(report.error());
  const Json json = {{"bits_per_weight", report->bits_per_weight},
                     {"stored_bytes", report->stored_bytes},
                     {"original_bytes", report->original_bytes},
                     {"seconds", report->seconds},
                     {"peak_rss_bytes", report->peak_rss_bytes},
                     {"weight_error", report->weight_error},
                     {"compressed_matrix_bytes", report->compressed_matrix_bytes},
                     {"resumed_matrices", report->resumed_matrices},
                     {"nonfinite_weights", report->nonfinite_weights}};
  const double ratio =
      static_cast<double>(report->original_bytes) / static_cast<double>(report->stored_bytes);
  output.result(
      json, fmt::format("{}\n"
                        "  size             {} (from {}, {:.2f} times smaller)\n"
                        "  bits per weight  {:.3f} (codes, scales and zeros of the compressed "
                        "matrices)\n"
                        "  weight error     {:.5f}\n"
                        "  time             {}, peak memory {}{}",
                        options.target, format_bytes(static_cast<double>(report->stored_bytes)),
                        format_bytes(static_cast<double>(report->original_bytes)), ratio,
                        report->bits_per_weight, report->weight_error,
                        format_duration(report->seconds),
                        format_bytes(static_cast<double>(report->peak_rss_bytes)),
                        nonfinite_warning(*report)));
  return {};
}

}  // namespace

DeclareCommand declare_compress;
std::function<Status(Output&)> declare_compress(CLI::App& app) {
  const auto options = std::make_shared<CompressCommandOptions>();
  app.add_option("MODEL", options->source, "Original checkpoint directory")->required();
  app.add_option("OUT", options->target, "Directory to write; must not exist")->required();
  add_plan_options(app, options->compress.plan);
  app.add_option("--plan", options->compress.plan_file,
                 "Plan of `trine plan`; takes the place of the options above");
  app.add_option("--trace", options->compress.trace_file,
                 "CSV of the compensators' convergence: matrix, iteration, relative error");
  app.add_flag(
      "--allow-nonfinite", options->compress.allow_nonfinite,
      "Compress a model with infinities or NaNs instead of refusing it: they are packed "
      "as 0, copied in what is not packed, and counted in trine.json");
  app.add_flag("--resume", options->compress.resume,
               "Go on where a run to the same OUT was interrupted: finished matrices are taken "
               "over where model, plan and statistics are the same");
  add_threads_option(app, options->compress.threads);
  add_json_option(app);
  app.footer(
      "Examples:\n"
      "  trine compress models/tiny-mixtral tiny-3bit\n"
      "  trine compress models/tiny-mixtral tiny-3.0 --bits-per-weight 3.0\n"
      "  trine compress models/tiny-mixtral tiny-4bit --preset rtn-4bit --group-size 128\n"
      "  trine compress big-model big-3bit --plan plan.json --resume\n"
      "Attention and experts are packed; routers, norms, embeddings and the head keep 16 "
      "bits.\n"
      "The output is the same for any number of threads.");
  return [options](Output& output) { return run_compress(*options, output); };
}

}  // namespace trine::cli
