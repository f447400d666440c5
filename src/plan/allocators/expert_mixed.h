// Bits by expert: a score orders the experts of a layer, their positions give the bits.
#pragma once

#include "plan/allocators/allocator.h"

namespace trine::plan {

/// arXiv 2604.06515, method section. Every layer is budgeted alone and has the same average.
/// All three matrices of an expert have its bits; everything that is no routed expert has
/// inputs.attention_bits; all else is that of inputs.matrix. Plan::scores keeps, by expert, the
/// score, its position in the order and, where it took part, max-variance.
/// kInvalidArgument also for a model without routed experts.
Allocate allocate_expert_mixed;

}  // namespace trine::plan
