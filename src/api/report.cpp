#include <trine/report.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>

#include <trine/evaluate.h>
#include <trine/inspect.h>
#include "api/opened_model.h"
#include "api/output_file.h"
#include "api/report_inputs.h"
#include "base/files.h"
#include "base/peak_memory.h"
#include "eval/report/page.h"

namespace trine {
namespace {

namespace fs = std::filesystem;
using eval::report::Figure;
using eval::report::ReportData;

/// The last part of a path, "." and a slash at the end resolved: what people call the model.
std::string name_of_path(const std::string& path) {
  std::error_code error;
  fs::path whole = fs::canonical(path, error);
  if (error) whole = fs::path(path);
  return whole.filename().empty() ? path : whole.filename().string();
}

eval::report::Matrix described(const MatrixInspection& inspected) {
  eval::report::Matrix matrix{.name = inspected.name,
                              .role = inspected.role,
                              .out_features = inspected.out_features,
                              .in_features = inspected.in_features,
                              .type = inspected.type,
                              .is_packed = inspected.group_size != 0,
                              .quantizer = inspected.quantizer,
                              .group_size = inspected.group_size,
                              .rank = inspected.rank,
                              .factor_bits = inspected.factor_bits,
                              .weight_error = inspected.weight_error,
                              .bits = inspected.bits,
                              .codes_bytes = inspected.codes_bytes,
                              .scales_bytes = inspected.scales_bytes,
                              .factors_bytes = inspected.factors_bytes};
  if (!matrix.is_packed) matrix.unpacked_bytes = inspected.stored_bytes;
  if (inspected.place) {
    matrix.place = {.is_encoder = inspected.place->is_encoder,
                    .layer = inspected.place->layer,
                    .expert = inspected.place->expert,
                    .projection = inspected.place->projection};
  }
  return matrix;
}

ReportData described(const std::string& path, const ModelInspection& model) {
  ReportData data{.model = name_of_path(path),
                  .family = model.family,
                  .trine_version = TRINE_VERSION,
                  .num_parameters = model.num_parameters,
                  .active_parameters = model.active_parameters,
                  .num_layers = model.num_hidden_layers + model.num_encoder_layers,
                  .num_experts = model.num_experts,
                  .experts_per_token = model.experts_per_token,
                  .stored_bytes = model.stored_bytes};
  std::uint64_t matrix_bytes = 0;
  for (const MatrixInspection& matrix : model.matrices) {
    data.matrices.push_back(described(matrix));
    matrix_bytes += matrix.stored_bytes;
  }
  data.vectors_bytes = model.stored_bytes - std::min(matrix_bytes, model.stored_bytes);
  if (const auto& compression = model.compression) {
    data.compression = {.preset = compression->preset,
                        .allocator = compression->allocator,
                        .budget_bits_per_weight = compression->budget_bits_per_weight,
                        .budget_bytes = compression->budget_bytes,
                        .bits_per_weight = compression->bits_per_weight,
                        .weight_error = compression->weight_error,
                        .original_bytes = compression->original_bytes,
                        .trine_version = compression->trine_version};
  }
  return data;
}

/// Routers of the model itself, and of what it was before training.
Status add_routers(const api::OpenedModel& opened, const std::string& init_checkpoint,
                   ReportData& data) {
  plan::RouterMatrices initial;
  if (!init_checkpoint.empty()) {
    TRINE_ASSIGN_OR_RETURN(initial, api::read_initial_routers(init_checkpoint, opened.spec()));
  }
  TRINE_ASSIGN_OR_RETURN(auto routers,
                         plan::measure_routers(opened.spec(), opened.source(),
                                               init_checkpoint.empty() ? nullptr : &initial));
  for (auto& [layer, router] : routers) {
    data.layer_experts.push_back({.layer = layer,
                                  .router_norms = std::move(router.norms),
                                  .router_norm_changes = std::move(router.norm_changes)});
  }
  return {};
}

/// Kurtosis and variances of the weights of an original, into the matrices of those names.
Status add_weight_statistics(const api::OpenedModel& original, int threads,
                             const ProgressCallback& progress, ReportData& data) {
  TRINE_ASSIGN_OR_RETURN(
      const auto statistics,
      plan::measure_weights(original.spec(), original.source(), nullptr, threads, progress));
  for (eval::report::Matrix& matrix : data.matrices) {
    const auto found = statistics.matrices.find(matrix.name);
    if (found == statistics.matrices.end()) continue;
    matrix.squared_norm = found->second.squared_norm;
    matrix.excess_kurtosis = found->second.excess_kurtosis;
    matrix.max_row_variance = found->second.max_row_variance;
  }
  return {};
}

Figure to_figure(const Score& score) { return {score.value, score.standard_error}; }

std::optional<Figure> to_figure(const std::optional<Score>& score) {
  return score ? std::optional(to_figure(*score)) : std::nullopt;
}

Status add_quality(const std::string& model, const ReportOptions& options,
                   std::size_t max_positions, const ProgressCallback& progress,
                   ReportData& data) {
  constexpr std::size_t kReportWindow = 2048;
  PerplexityOptions how{
      .text_files = {options.text_file},
      .window = max_positions > 0 ? std::min(kReportWindow, max_positions) : kReportWindow,
      .reference = options.reference,
      .engine = options.engine};
  if (options.window) how.window = *options.window;
  TRINE_ASSIGN_OR_RETURN(const auto measured, evaluate_perplexity(model, how, progress));
  data.quality = {.text = fs::path(options.text_file).filename().string(),
                  .protocol = measured.protocol,
                  .window = measured.window,
                  .scored_tokens = measured.scored_tokens,
                  .windows = measured.windows,
                  .perplexity = to_figure(measured.perplexity),
                  .original_perplexity = to_figure(measured.original_perplexity),
                  .kl_divergence = to_figure(measured.kl_divergence),
                  .top1_agreement = to_figure(measured.top1_agreement),
                  .routing_agreement = to_figure(measured.routing_agreement)};
  return {};
}

Status write_whole(const std::string& path, std::string_view page) {
  TRINE_ASSIGN_OR_RETURN(auto file, base::AtomicFile::create(path));
  TRINE_RETURN_IF_ERROR(file.write(page));
  return file.commit();
}

}  // namespace

Result<ReportSummary> write_report(const std::string& model, const ReportOptions& options,
                                   const ProgressCallback& progress) {
  const auto start = std::chrono::steady_clock::now();
  TRINE_RETURN_IF_ERROR(api::check_output_file(options.output, "the report"));
  TRINE_ASSIGN_OR_RETURN(const int threads, api::resolve_threads(options.engine.threads));
  TRINE_ASSIGN_OR_RETURN(const ModelInspection inspected, inspect_model(model));
  TRINE_ASSIGN_OR_RETURN(const api::OpenedModel opened, api::open_model(model));
  ReportData data = described(model, inspected);
  // Small files first: a mistake in one of them should not cost a run of the text.
  if (!options.trace.empty()) {
    TRINE_ASSIGN_OR_RETURN(data.curves, api::read_trace(options.trace, inspected));
  }
  TRINE_RETURN_IF_ERROR(add_routers(opened, options.init_checkpoint, data));
  if (!options.statistics.empty()) {
    TRINE_RETURN_IF_ERROR(api::add_use(options.statistics, opened, data.layer_experts));
  }
  if (!options.reference.empty()) {
    TRINE_ASSIGN_OR_RETURN(const auto original,
                           api::open_original(options.reference, opened.spec()));
    data.reference = name_of_path(options.reference);
    TRINE_RETURN_IF_ERROR(add_weight_statistics(original, threads, progress, data));
  } else if (opened.original) {
    TRINE_RETURN_IF_ERROR(add_weight_statistics(opened, threads, progress, data));
  }
  if (!options.text_file.empty()) {
    TRINE_RETURN_IF_ERROR(
        add_quality(model, options, inspected.max_position_embeddings, progress, data));
  }
  const std::string page = eval::report::render_page(data);
  TRINE_RETURN_IF_ERROR(write_whole(options.output, page));
  return ReportSummary{
      .bytes_written = page.size(),
      .seconds =
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(),
      .peak_rss_bytes = base::peak_rss_bytes()};
}

}  // namespace trine
