#include "plan/allocators/error.h"

#include <cmath>
#include <map>

#include "plan/knapsack.h"

namespace trine::plan {
namespace {

constexpr double kUseExponent = 0.7;

struct Candidates {
  std::vector<const ErrorCandidate*> rows{};
  std::vector<KnapsackChoice> choices{};
};

Candidates candidates_of(const ErrorRow& row, const AllocatorInputs& inputs) {
  Candidates found;
  for (const ErrorCandidate& candidate : row.candidates) {
    const int bits = candidate.plan.bits;
    if (bits < inputs.least_bits || bits > inputs.most_bits) continue;
    found.rows.push_back(&candidate);
    found.choices.push_back({candidate.stored_bytes, candidate_cost(row, candidate)});
  }
  return found;
}

}  // namespace

double sensitivity(const ErrorRow& row) {
  // The exponent is measured, not derived: on tiny-mixtral (use 1/4) one attention matrix adds
  // 2.7 times the KL divergence of one expert matrix at the same relative error (3 bits).
  return std::pow(row.use, kUseExponent);
}

double candidate_cost(const ErrorRow& row, const ErrorCandidate& candidate) {
  if (!(row.output_power > 0.0)) return 0.0;
  return sensitivity(row) * candidate.output_error / row.output_power;
}

Result<Plan> allocate_error(const ModelSpec& spec, const AllocatorInputs& inputs) {
  if (inputs.score_inputs.errors == nullptr || !inputs.budget_bytes) {
    return fail(ErrorCode::kInvalidArgument,
                "allocator \"error\" needs measured errors and a budget");
  }
  std::map<std::string, const ErrorRow*> rows;
  for (const ErrorRow& row : *inputs.score_inputs.errors) rows[row.name] = &row;
  std::vector<Candidates> candidates;
  std::vector<std::vector<KnapsackChoice>> items;
  const auto matrices = compressible_matrices(spec);
  for (const MatrixSpec* matrix : matrices) {
    const auto row = rows.find(matrix->name);
    if (row == rows.end()) {
      return fail(ErrorCode::kInvalidArgument, "the error table has no row for {}",
                  matrix->name);
    }
    const ErrorRow& measured = *row->second;
    if (measured.out_features != matrix->out_features ||
        measured.in_features != matrix->in_features) {
      return fail(ErrorCode::kInvalidArgument,
                  "the error table has {} as [{}, {}], the model as [{}, {}]", matrix->name,
                  measured.out_features, measured.in_features, matrix->out_features,
                  matrix->in_features);
    }
    candidates.push_back(candidates_of(measured, inputs));
    if (candidates.back().choices.empty()) {
      return fail(ErrorCode::kInvalidArgument,
                  "{}: the error table has no candidate of {} to {} bits", matrix->name,
                  inputs.least_bits, inputs.most_bits);
    }
    items.push_back(candidates.back().choices);
  }
  TRINE_ASSIGN_OR_RETURN(const KnapsackResult solved,
                         solve_knapsack(items, *inputs.budget_bytes));
  Plan plan;
  for (std::size_t i = 0; i < matrices.size(); ++i) {
    const ErrorRow& row = *rows.at(matrices[i]->name);
    const ErrorCandidate& chosen = *candidates[i].rows[solved.chosen[i]];
    plan.matrices[row.name] = chosen.plan;
    plan.scores[row.name] = {
        {"relative_error", std::sqrt(chosen.weight_error / std::max(row.squared_norm, 1e-300))},
        {"cost", items[i][solved.chosen[i]].cost},
        {"use", row.use}};
  }
  plan.scores["budget"] = {{"cost", solved.cost}, {"lower_bound", solved.lower_bound}};
  return plan;
}

}  // namespace trine::plan
