// trine plan
#include <trine/plan.h>

#include <fmt/format.h>

#include <memory>

#include "cli/commands.h"
#include "cli/plan_options.h"
#include "cli/progress_display.h"
#include "cli/shared_options.h"

namespace trine::cli {
namespace {

struct PlanCommandOptions {
  std::string source{};
  std::string output{};
  bool explains = false;
  PlanOptions plan{};
};

Status run_plan(const PlanCommandOptions& options, Output& output) {
  if (!options.output.empty()) {
    if (Status possible = check_plan_output(options.output); !possible) return possible;
  }
  Result<PlanReport> report = [&] {
    ProgressDisplay display("planning");
    return plan_model(options.source, options.plan, display.callback());
  }();
  if (!report) return tl::unexpected<Error>(report.error());
  if (!options.output.empty()) {
    if (Status written = write_plan(options.output, *report); !written) return written;
  }
  Json json = {{"allocator", report->allocator},
               {"bits_per_weight", report->bits_per_weight},
               {"compressed_matrix_bytes", report->compressed_matrix_bytes},
               {"stored_bytes", report->stored_bytes},
               {"original_bytes", report->original_bytes},
               {"explanation", report->explanation},
               {"allocation_seconds", report->allocation_seconds},
               {"nonfinite_weights", report->nonfinite_weights},
               {"seconds", report->seconds}};
  if (options.output.empty()) json["plan"] = Json::parse(report->json);
  std::string text = fmt::format(
      "{}\n"
      "  size             {} bytes of tensors ({}; the original has {})\n"
      "  bits per weight  {:.4f}\n"
      "  time             {}",
      options.output.empty() ? "plan (not written; -o FILE keeps it)" : options.output,
      report->stored_bytes, format_bytes(static_cast<double>(report->stored_bytes)),
      format_bytes(static_cast<double>(report->original_bytes)), report->bits_per_weight,
      format_duration(report->seconds));
  if (report->nonfinite_weights > 0) {
    text += fmt::format(
        "\n  warning          {} weights are infinite or not a number; measured as 0",
        report->nonfinite_weights);
  }
  if (options.explains) {
    for (const std::string& line : report->explanation) text += "\n  " + line;
  }
  output.result(json, text);
  return {};
}

}  // namespace

DeclareCommand declare_plan;
std::function<Status(Output&)> declare_plan(CLI::App& app) {
  const auto options = std::make_shared<PlanCommandOptions>();
  app.add_option("MODEL", options->source, "Original checkpoint directory")->required();
  app.add_option("-o,--output", options->output, "Plan file to write (JSON, editable)");
  app.add_flag("--explain", options->explains, "Say who got what, and how good the plan is");
  add_plan_options(app, options->plan);
  app.add_flag(
      "--allow-nonfinite", options->plan.allow_nonfinite,
      "Measure a model with infinities or NaNs instead of refusing it: they count as 0");
  add_threads_option(app, options->plan.threads);
  add_json_option(app);
  app.footer(
      "Examples:\n"
      "  trine plan models/tiny-mixtral --bits-per-weight 3.0 -o plan.json --explain\n"
      "  trine plan models/tiny-mixtral --memory 10MB --errors errors.json -o plan.json\n"
      "  trine plan models/tiny-mixtral --preset expert-mixed-2.5 --score router-norm\n"
      "The size is that of all tensors of the packed model, to the byte.");
  return [options](Output& output) { return run_plan(*options, output); };
}

}  // namespace trine::cli
