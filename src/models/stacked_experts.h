// The layout transformers v5 may save: all experts of a layer in two tensors.
#pragma once

#include <functional>
#include <string>

#include "core/model_spec.h"

namespace trine::models {

/// Where a layer's experts have no tensors of their own but `<mlp>.experts.gate_up_proj`
/// [E, 2I, H] and `<mlp>.experts.down_proj` [E, H, I] are there, aims the spec at those. Matrices
/// keep their own names.
void adopt_stacked_experts(ModelSpec& spec,
                           const std::function<bool(const std::string&)>& has_tensor);

}  // namespace trine::models
