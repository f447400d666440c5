// trine inspect
#include <trine/inspect.h>
#include <trine/report.h>

#include <fmt/format.h>

#include <memory>

#include "cli/commands.h"
#include "cli/progress_display.h"
#include "cli/shared_options.h"

namespace trine::cli {
namespace {

struct InspectCommandOptions {
  std::string model{};
  bool matrices = false;
  ReportOptions report{};  ///< without an output no report is written
};

Json to_json(const MatrixInspection& matrix) {
  Json json = {{"name", matrix.name},
               {"role", matrix.role},
               {"out_features", matrix.out_features},
               {"in_features", matrix.in_features},
               {"type", matrix.type},
               {"bits", matrix.bits},
               {"stored_bytes", matrix.stored_bytes}};
  if (matrix.group_size != 0) json["group_size"] = matrix.group_size;
  if (matrix.rank != 0) json["rank"] = matrix.rank;
  if (matrix.weight_error) json["weight_error"] = *matrix.weight_error;
  if (matrix.place) {
    json["layer"] = matrix.place->layer;
    if (matrix.place->expert) json["expert"] = *matrix.place->expert;
  }
  return json;
}

Json to_json(const ModelInspection& model) {
  Json json = {{"family", model.family},
               {"num_parameters", model.num_parameters},
               {"active_parameters", model.active_parameters},
               {"stored_bytes", model.stored_bytes},
               {"hidden_size", model.hidden_size},
               {"num_hidden_layers", model.num_hidden_layers},
               {"num_encoder_layers", model.num_encoder_layers},
               {"num_attention_heads", model.num_attention_heads},
               {"num_key_value_heads", model.num_key_value_heads},
               {"head_dim", model.head_dim},
               {"num_experts", model.num_experts},
               {"experts_per_token", model.experts_per_token},
               {"moe_intermediate_size", model.moe_intermediate_size},
               {"vocab_size", model.vocab_size},
               {"max_position_embeddings", model.max_position_embeddings}};
  if (model.compression) {
    json["compression"] = {{"preset", model.compression->preset},
                           {"bits_per_weight", model.compression->bits_per_weight},
                           {"weight_error", model.compression->weight_error},
                           {"original_bytes", model.compression->original_bytes},
                           {"trine_version", model.compression->trine_version}};
  }
  json["roles"] = Json::array();
  for (const RoleInspection& role : model.roles) {
    json["roles"].push_back({{"role", role.role},
                             {"num_matrices", role.num_matrices},
                             {"num_weights", role.num_weights},
                             {"stored_bytes", role.stored_bytes}});
  }
  json["matrices"] = Json::array();
  for (const MatrixInspection& matrix : model.matrices)
    json["matrices"].push_back(to_json(matrix));
  return json;
}

std::string format_count(std::uint64_t count) {
  const auto value = static_cast<double>(count);
  if (value >= 1e9) return fmt::format("{:.2f} B", value / 1e9);
  if (value >= 1e6) return fmt::format("{:.2f} M", value / 1e6);
  return fmt::format("{}", count);
}

std::string describe_shape(const ModelInspection& model) {
  return fmt::format(
      "family        {}\n"
      "parameters    {} ({} active per token)\n"
      "size          {}\n"
      "layers        {}{}, hidden {}, vocabulary {}, context {}\n"
      "attention     {} heads, {} key/value heads, head width {}\n"
      "experts       {}\n",
      model.family, format_count(model.num_parameters), format_count(model.active_parameters),
      format_bytes(static_cast<double>(model.stored_bytes)), model.num_hidden_layers,
      model.num_encoder_layers == 0
          ? ""
          : fmt::format(" after {} of the encoder", model.num_encoder_layers),
      model.hidden_size, model.vocab_size, model.max_position_embeddings,
      model.num_attention_heads, model.num_key_value_heads, model.head_dim,
      model.num_experts == 0
          ? "none"
          : fmt::format("{} of width {}, {} per token", model.num_experts,
                        model.moe_intermediate_size, model.experts_per_token));
}

std::string describe(const ModelInspection& model, bool matrices) {
  std::string text = describe_shape(model);
  if (model.compression) {
    text +=
        fmt::format("compressed    {}: {:.3f} bits per weight, weight error {:.5f}, from {}\n",
                    model.compression->preset, model.compression->bits_per_weight,
                    model.compression->weight_error,
                    format_bytes(static_cast<double>(model.compression->original_bytes)));
  }
  text += fmt::format("\n{:<13} {:>9} {:>10} {:>10} {:>16}\n", "role", "matrices", "weights",
                      "size", "bits per weight");
  for (const RoleInspection& role : model.roles) {
    text += fmt::format(
        "{:<13} {:>9} {:>10} {:>10} {:>16.3f}\n", role.role, role.num_matrices,
        format_count(role.num_weights), format_bytes(static_cast<double>(role.stored_bytes)),
        8.0 * static_cast<double>(role.stored_bytes) / static_cast<double>(role.num_weights));
  }
  if (matrices) {
    text += fmt::format("\n{:<58} {:>14} {:>8} {:>5} {:>9} {:>12}\n", "matrix", "shape", "type",
                        "group", "size", "weight error");
    for (const MatrixInspection& matrix : model.matrices) {
      text += fmt::format(
          "{:<58} {:>14} {:>8} {:>5} {:>9} {:>12}\n", matrix.name,
          fmt::format("{}x{}", matrix.out_features, matrix.in_features),
          matrix.group_size == 0 ? matrix.type : fmt::format("{} bits", matrix.bits),
          matrix.group_size == 0 ? "" : fmt::format("{}", matrix.group_size),
          format_bytes(static_cast<double>(matrix.stored_bytes)),
          matrix.weight_error ? fmt::format("{:.5f}", *matrix.weight_error) : "");
    }
  }
  text.pop_back();
  return text;
}

Status run_inspect(const InspectCommandOptions& options, Output& output) {
  const Result<ModelInspection> model = inspect_model(options.model);
  if (!model) return tl::unexpected<Error>(model.error());
  Json json = to_json(*model);
  std::string text = describe(*model, options.matrices);
  if (!options.report.output.empty()) {
    const Result<ReportSummary> report = [&] {
      ProgressDisplay display("reporting");
      return write_report(options.model, options.report, display.callback());
    }();
    if (!report) return tl::unexpected<Error>(report.error());
    json["report"] = {{"html", options.report.output},
                      {"bytes_written", report->bytes_written},
                      {"seconds", report->seconds},
                      {"peak_rss_bytes", report->peak_rss_bytes}};
    text += fmt::format("\n\nreport        {}, {}, in {}", options.report.output,
                        format_bytes(static_cast<double>(report->bytes_written)),
                        format_duration(report->seconds));
  }
  output.result(json, text);
  return {};
}

/// --html and what goes into that file.
void add_report_options(CLI::App& app, ReportOptions& report) {
  CLI::Option* html = app.add_option(
      "--html", report.output, "Write a report for a browser: one file that needs no network");
  const auto add = [&](const char* name, std::string& value, const char* what) {
    return app.add_option(name, value, what)->needs(html);
  };
  add("--reference", report.reference,
      "The original: its size, kurtosis and variances of its weights go into the report");
  CLI::Option* text =
      add("--text", report.text_file,
          "UTF-8 text: the report has perplexity, with --reference also that of "
          "the original, KL divergence, top-1 and routing agreement");
  app.add_option("--window", report.window,
                 "Tokens run together (default: 2048, or the model's positions if fewer)")
      ->needs(text);
  add("--init-checkpoint", report.init_checkpoint,
      "Routers before training, a checkpoint or one safetensors file: the report has the "
      "change "
      "of their norms");
  add("--stats", report.statistics,
      "Statistics of trine calibrate: the report has the use of experts");
  add("--trace", report.trace,
      "CSV of matrix,iteration,relative_error: the report has curves of convergence");
  add_engine_options(app, report.engine);
}

}  // namespace

DeclareCommand declare_inspect;
std::function<Status(Output&)> declare_inspect(CLI::App& app) {
  const auto options = std::make_shared<InspectCommandOptions>();
  add_model_argument(app, options->model);
  app.add_flag("--matrices", options->matrices, "List every matrix (--json always does)");
  add_report_options(app, options->report);
  add_json_option(app);
  app.footer(
      "Examples:\n"
      "  trine inspect models/tiny-mixtral\n"
      "  trine inspect tiny-3bit --matrices\n"
      "  trine inspect tiny-3bit --json | jq .compression\n"
      "  trine inspect tiny-3bit --html tiny-3bit.html --reference models/tiny-mixtral \\\n"
      "      --text models/tiny-mixtral/sample.txt --stats tiny.trinestats");
  return [options](Output& output) { return run_inspect(*options, output); };
}

}  // namespace trine::cli
