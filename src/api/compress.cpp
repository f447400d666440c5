#include <trine/compress.h>

#include <chrono>

#include "api/opened_model.h"
#include "api/output_file.h"
#include "api/planning.h"
#include "base/files.h"
#include "base/peak_memory.h"
#include "compress/compressor.h"

namespace trine {
namespace {

Result<plan::Plan> plan_for(const checkpoint::Checkpoint& source,
                            const CompressOptions& options, const api::KnownInputs& known,
                            int threads, const ProgressCallback& progress) {
  if (options.plan_file.empty()) {
    PlanOptions planning = options.plan;
    planning.allow_nonfinite = options.allow_nonfinite;
    TRINE_ASSIGN_OR_RETURN(api::MadePlan made,
                           api::make_plan(source, planning, known, threads, progress));
    return std::move(made.plan);
  }
  TRINE_ASSIGN_OR_RETURN(const base::Json json, base::read_json_file(options.plan_file));
  TRINE_ASSIGN_OR_RETURN(plan::Plan plan, plan::parse_plan(json, options.plan_file));
  TRINE_RETURN_IF_ERROR(plan::check_plan(source.spec(), plan, options.plan_file));
  if (plan.statistics_xxh3 != known.xxh3) {
    return fail(ErrorCode::kInvalidArgument, "{}: was made with statistics {}, but {} given",
                options.plan_file,
                plan.statistics_xxh3.empty() ? "of none" : plan.statistics_xxh3,
                known.xxh3.empty() ? "none were" : known.xxh3 + " were");
  }
  return plan;
}

}  // namespace

Result<CompressReport> compress_model(const std::string& source, const std::string& target,
                                      const CompressOptions& options,
                                      const ProgressCallback& progress) {
  const auto start = std::chrono::steady_clock::now();
  TRINE_ASSIGN_OR_RETURN(const int threads, api::resolve_threads(options.threads));
  if (!options.trace_file.empty()) {
    TRINE_RETURN_IF_ERROR(api::check_output_file(options.trace_file, "the trace"));
  }
  TRINE_ASSIGN_OR_RETURN(const auto original, checkpoint::Checkpoint::open(source));
  TRINE_ASSIGN_OR_RETURN(const auto known,
                         api::read_known_inputs(options.plan.statistics, original));
  TRINE_ASSIGN_OR_RETURN(const plan::Plan plan,
                         plan_for(original, options, known, threads, progress));
  std::string trace = "matrix,iteration,relative_error\n";
  std::uint64_t resumed = 0;
  compress::CompressorOptions compressing{
      .threads = threads,
      .moments = known.moments.empty() ? nullptr : &known.moments,
      .trace = {},
      .taken_over = [&resumed](const std::string&) { ++resumed; },
      .resume = options.resume,
      .allow_nonfinite = options.allow_nonfinite};
  if (!options.trace_file.empty()) {
    compressing.trace = [&trace](const std::string& name, const std::vector<double>& errors) {
      for (std::size_t i = 0; i < errors.size(); ++i) {
        trace += fmt::format("{},{},{:.9g}\n", name, i, errors[i]);
      }
    };
  }
  TRINE_ASSIGN_OR_RETURN(const packed::Manifest manifest,
                         compress::compress(original, plan, target, compressing, progress));
  if (!options.trace_file.empty()) {
    TRINE_RETURN_IF_ERROR(base::write_file_atomically(options.trace_file, trace));
  }
  const packed::Totals& totals = manifest.totals;
  const auto& nonfinite = manifest.nonfinite;
  return CompressReport{
      .bits_per_weight = totals.bits_per_weight(),
      .weight_error = totals.weight_error,
      .compressed_matrix_bytes = totals.compressed_matrix_bytes,
      .stored_bytes = totals.stored_bytes,
      .original_bytes = totals.original_bytes,
      .seconds =
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(),
      .peak_rss_bytes = base::peak_rss_bytes(),
      .resumed_matrices = resumed,
      .nonfinite_weights = packed::count_nonfinite_weights(manifest),
      .nonfinite_tensors = nonfinite.size(),
      .first_nonfinite_tensor = nonfinite.empty() ? "" : nonfinite.begin()->first};
}

}  // namespace trine
