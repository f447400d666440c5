#include <trine/calibrate.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <system_error>

#include "api/opened_model.h"
#include "api/output_file.h"
#include "api/text_stream.h"
#include "base/peak_memory.h"
#include "calibrate/calibration.h"
#include "calibrate/merge.h"
#include "calibrate/statistics_file.h"

namespace trine {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kCalibrationWindow = 2048;

/// Everything in the files of `paths` as one, all of the same kind.
Result<std::optional<calibrate::StoredStatistics>> read_and_merge(
    const std::vector<std::string>& paths, const ModelSpec& spec,
    const calibrate::ModelIdentity& identity,
    const std::optional<calibrate::MomentKind>& expected) {
  std::optional<calibrate::StoredStatistics> merged;
  for (const std::string& path : paths) {
    TRINE_ASSIGN_OR_RETURN(auto stored, calibrate::read_statistics(path, spec, identity));
    const calibrate::MomentKind kind = merged ? merged->kind : expected.value_or(stored.kind);
    if (stored.kind != kind) {
      return fail(ErrorCode::kInvalidArgument, "{}: holds {} moments, expected {} to merge",
                  path, calibrate::name_of(stored.kind), calibrate::name_of(kind));
    }
    if (!merged) {
      merged = std::move(stored);
    } else {
      calibrate::merge_into(merged->statistics, stored.statistics);
    }
  }
  return merged;
}

Result<calibrate::Calibration> run_text(const api::OpenedModel& opened,
                                        const std::string& model,
                                        const CalibrateOptions& options,
                                        const calibrate::CalibrationOptions& how,
                                        const ProgressCallback& progress) {
  TRINE_ASSIGN_OR_RETURN(auto text, api::TextStream::open(model, options.text_files));
  TRINE_ASSIGN_OR_RETURN(auto engine, api::make_engine(opened, options.engine));
  return calibrate::collect_statistics(engine, text, how, progress);
}

std::size_t window_of(const CalibrateOptions& options, const ModelSpec& spec) {
  if (options.window) return *options.window;
  const std::size_t most = spec.max_position_embeddings;
  return most > 0 ? std::min(kCalibrationWindow, most) : kCalibrationWindow;
}

}  // namespace

Result<CalibrateReport> calibrate_model(const std::string& model,
                                        const CalibrateOptions& options,
                                        const ProgressCallback& progress) {
  const auto start = std::chrono::steady_clock::now();
  TRINE_RETURN_IF_ERROR(api::check_output_file(options.output, "the statistics"));
  if (options.text_files.empty() && options.merge.empty()) {
    return fail(ErrorCode::kInvalidArgument,
                "nothing to do: neither text nor statistics to merge are given");
  }
  std::optional<calibrate::MomentKind> kind;
  if (options.moments) {
    TRINE_ASSIGN_OR_RETURN(kind, calibrate::moment_kind_named(*options.moments));
  }
  TRINE_ASSIGN_OR_RETURN(const api::OpenedModel opened, api::open_model(model));
  const ModelSpec& spec = opened.spec();
  const auto identity = calibrate::identity_of(
      spec, opened.packed ? opened.packed->config() : opened.original->config());
  TRINE_ASSIGN_OR_RETURN(auto merged, read_and_merge(options.merge, spec, identity, kind));
  if (!kind) kind = merged ? merged->kind : calibrate::MomentKind::kDiagonal;

  CalibrateReport report{.window = window_of(options, spec),
                         .moments = std::string(calibrate::name_of(*kind))};
  ModelStatistics statistics;
  if (options.text_files.empty()) {
    statistics = std::move(merged->statistics);
  } else {
    const calibrate::CalibrationOptions how{.window = report.window,
                                            .max_tokens = options.max_tokens,
                                            .moments = *kind,
                                            .memory_bytes = options.memory_bytes};
    TRINE_ASSIGN_OR_RETURN(auto calibration, run_text(opened, model, options, how, progress));
    report.windows = calibration.windows;
    statistics = std::move(calibration.statistics);
    if (merged) calibrate::merge_into(statistics, merged->statistics);
  }
  TRINE_RETURN_IF_ERROR(
      calibrate::write_statistics(options.output, statistics, spec, identity, *kind));

  report.tokens = statistics.tokens;
  report.sites = statistics.sites.size();
  for (const ExpertPlace& place : unseen_experts(statistics)) {
    report.unseen_experts.push_back({place.layer, place.expert});
  }
  std::error_code ignored;
  report.bytes_written = fs::file_size(options.output, ignored);
  report.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  report.peak_rss_bytes = base::peak_rss_bytes();
  return report;
}

}  // namespace trine
