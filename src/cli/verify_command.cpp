// trine verify
#include <trine/verify.h>

#include <fmt/format.h>

#include <memory>

#include "cli/commands.h"
#include "cli/progress_display.h"
#include "cli/shared_options.h"

namespace trine::cli {
namespace {

Status run_verify(const std::string& model, Output& output) {
  Result<VerifyReport> report = [&] {
    ProgressDisplay display("verifying");
    return verify_model(model, display.callback());
  }();
  if (!report) return tl::unexpected<Error>(report.error());
  const Json json = {{"ok", true},
                     {"packed", report->is_packed},
                     {"tensors", report->num_tensors},
                     {"checked_bytes", report->checked_bytes},
                     {"nonfinite_weights", report->nonfinite_weights}};
  std::string text = fmt::format("{}: ok, {} tensors, {} checked{}", model, report->num_tensors,
                                 format_bytes(static_cast<double>(report->checked_bytes)),
                                 report->is_packed ? ", every checksum right" : "");
  if (report->nonfinite_weights > 0) {
    text += fmt::format(
        "\nwarning: made with --allow-nonfinite: {} weights of the original were "
        "infinite or not a number",
        report->nonfinite_weights);
  }
  output.result(json, text);
  return {};
}

}  // namespace

DeclareCommand declare_verify;
std::function<Status(Output&)> declare_verify(CLI::App& app) {
  const auto model = std::make_shared<std::string>();
  add_model_argument(app, *model);
  add_json_option(app);
  app.footer(
      "Example:\n  trine verify tiny-3bit\n"
      "Reads every byte: structure, finite values, and checksums of a packed model.");
  return [model](Output& output) { return run_verify(*model, output); };
}

}  // namespace trine::cli
