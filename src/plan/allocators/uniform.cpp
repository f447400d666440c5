#include "plan/allocators/uniform.h"

namespace trine::plan {

Result<Plan> allocate_uniform(const ModelSpec& spec, const AllocatorInputs& inputs) {
  Plan plan;
  for (const MatrixSpec* matrix : compressible_matrices(spec)) {
    plan.matrices[matrix->name] = inputs.matrix;
  }
  return plan;
}

Result<Plan> allocate_dense_sparse(const ModelSpec& spec, const AllocatorInputs& inputs) {
  if (!inputs.dense) {
    return fail(ErrorCode::kInvalidArgument,
                "the allocator dense-sparse needs a plan for dense matrices besides that of "
                "routed experts, and there is none");
  }
  Plan plan;
  for (const MatrixSpec* matrix : compressible_matrices(spec)) {
    const bool is_routed = matrix->role == MatrixRole::kExpert;
    plan.matrices[matrix->name] = is_routed ? inputs.matrix : *inputs.dense;
  }
  return plan;
}

}  // namespace trine::plan
