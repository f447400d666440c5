// The same for every matrix, or for the two kinds of matrices: the controls of all others.
#pragma once

#include "plan/allocators/allocator.h"

namespace trine::plan {

/// inputs.matrix for all.
Allocate allocate_uniform;

/// inputs.matrix for routed experts, inputs.dense (kInvalidArgument when absent) for the rest.
Allocate allocate_dense_sparse;

}  // namespace trine::plan
