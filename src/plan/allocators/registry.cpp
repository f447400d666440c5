// The one list of allocators. To add one: write <name>.cpp beside this file, declare its
// function and add its row here. Nothing else changes.
#include <array>

#include "plan/allocators/allocator.h"
#include "plan/allocators/error.h"
#include "plan/allocators/expert_mixed.h"
#include "plan/allocators/uniform.h"

namespace trine::plan {
namespace {

struct Row {
  std::string_view name;
  Allocate* allocate;
};

constexpr std::array kAllocators = {
    Row{"uniform", allocate_uniform},
    Row{"dense-sparse", allocate_dense_sparse},
    Row{"expert-mixed", allocate_expert_mixed},
    Row{"error", allocate_error},
};

}  // namespace

Result<Plan> allocate(std::string_view allocator, const ModelSpec& spec,
                      const AllocatorInputs& inputs) {
  std::string known;
  for (const Row& row : kAllocators) {
    if (row.name == allocator) {
      TRINE_ASSIGN_OR_RETURN(Plan plan, row.allocate(spec, inputs));
      plan.trine_version = TRINE_VERSION;
      plan.allocator = row.name;
      TRINE_RETURN_IF_ERROR(check_plan(spec, plan, allocator));
      return plan;
    }
    known += (known.empty() ? "" : ", ") + std::string(row.name);
  }
  return fail(ErrorCode::kUnsupported, "allocator \"{}\" is not known; known: {}", allocator,
              known);
}

}  // namespace trine::plan
