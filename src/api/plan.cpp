#include <trine/plan.h>

#include <chrono>
#include <map>

#include "api/opened_model.h"
#include "api/output_file.h"
#include "api/planning.h"
#include "base/files.h"

namespace trine {
namespace {

/// "attention: 12 of 3 bits, 4 of 4 bits, rank 16 for 2" by role.
std::vector<std::string> explain(const ModelSpec& spec, const plan::Plan& plan) {
  struct Group {
    std::size_t count = 0;
    std::uint64_t bytes = 0;
  };
  std::map<std::string, std::map<std::string, Group>> groups;
  for (const MatrixSpec* matrix : compressible_matrices(spec)) {
    const MatrixPlan& chosen = plan.matrices.at(matrix->name);
    std::string treatment =
        fmt::format("{} {} bits, group {}, metadata {} bits", chosen.quantizer, chosen.bits,
                    chosen.group_size, chosen.metadata_bits);
    if (chosen.rank > 0) {
      treatment += fmt::format(", rank {} ({}, {}-bit factors)", chosen.rank,
                               chosen.compensator, chosen.factor_bits);
    }
    Group& group = groups[name_of(matrix->role)][treatment];
    group.count += 1;
    group.bytes += stored_bytes(matrix->out_features, matrix->in_features, chosen);
  }
  std::vector<std::string> lines;
  for (const auto& [role, treatments] : groups) {
    for (const auto& [treatment, group] : treatments) {
      lines.push_back(fmt::format("{}: {} {} get {} ({} bytes)", role, group.count,
                                  group.count == 1 ? "matrix" : "matrices", treatment,
                                  group.bytes));
    }
  }
  if (const auto budget = plan.scores.find("budget"); budget != plan.scores.end()) {
    lines.push_back(
        fmt::format("cost {:.6g}; no plan of these candidates within the budget can "
                    "cost less than {:.6g}",
                    budget->second.at("cost"), budget->second.at("lower_bound")));
  }
  return lines;
}

}  // namespace

Result<PlanReport> plan_model(const std::string& source, const PlanOptions& options,
                              const ProgressCallback& progress) {
  const auto start = std::chrono::steady_clock::now();
  TRINE_ASSIGN_OR_RETURN(const int threads, api::resolve_threads(options.threads));
  TRINE_ASSIGN_OR_RETURN(const auto original, checkpoint::Checkpoint::open(source));
  TRINE_ASSIGN_OR_RETURN(const auto known,
                         api::read_known_inputs(options.statistics, original));
  TRINE_ASSIGN_OR_RETURN(const api::MadePlan made,
                         api::make_plan(original, options, known, threads, progress));
  const plan::Plan& plan = made.plan;
  const plan::PredictedSize size =
      plan::predict_size(original.spec(), plan, api::untouched_bytes(original));
  return PlanReport{
      .json = plan::to_json(plan).dump(2),
      .allocator = plan.allocator,
      .bits_per_weight = size.bits_per_weight(),
      .compressed_matrix_bytes = size.compressed_matrix_bytes,
      .stored_bytes = size.stored_bytes,
      .original_bytes = original.total_weight_bytes(),
      .explanation = explain(original.spec(), plan),
      .allocation_seconds = made.allocation_seconds,
      .nonfinite_weights = made.nonfinite_weights,
      .seconds =
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count()};
}

Status check_plan_output(const std::string& path) {
  return api::check_output_file(path, "the plan");
}

Status write_plan(const std::string& path, const PlanReport& report) {
  return base::write_file_atomically(path, report.json + "\n");
}

}  // namespace trine
