// One budget for bits, group sizes, metadata and ranks of all matrices, by measured errors.
#pragma once

#include "core/error_table.h"
#include "plan/allocators/allocator.h"

namespace trine::plan {

/// What one candidate costs: its error as a share of the matrix's output power, times how much the
/// model depends on the matrix.
[[nodiscard]] double candidate_cost(const ErrorRow& row, const ErrorCandidate& candidate);

/// How much the model depends on a matrix: 1 for those every token passes through.
[[nodiscard]] double sensitivity(const ErrorRow& row);

/// Needs inputs.score_inputs.errors and inputs.budget_bytes; kInvalidArgument when one is absent,
/// when a matrix has no row, or when the budget is too small.
Allocate allocate_error;

}  // namespace trine::plan
