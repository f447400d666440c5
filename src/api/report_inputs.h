// What a report is told besides the model: the original, routers before training, a trace.
#pragma once

#include <string>
#include <vector>

#include <trine/inspect.h>
#include "api/opened_model.h"
#include "eval/report/report_data.h"
#include "plan/weight_statistics.h"

namespace trine::api {

/// The original of `spec` in `path`. kInvalidArgument when it is packed, or lacks a matrix or has
/// one of another shape.
[[nodiscard]] Result<OpenedModel> open_original(const std::string& path, const ModelSpec& spec);

/// Routers of `spec` as training began: out of a checkpoint directory or one safetensors file.
[[nodiscard]] Result<plan::RouterMatrices> read_initial_routers(const std::string& path,
                                                                const ModelSpec& spec);

/// A trace about matrices of `model`; kInvalidArgument names one that it does not have.
[[nodiscard]] Result<std::vector<eval::report::Curve>> read_trace(const std::string& path,
                                                                  const ModelInspection& model);

/// Adds the use of experts out of a statistics file of the model to `layers`.
[[nodiscard]] Status add_use(const std::string& path, const OpenedModel& model,
                             std::vector<eval::report::LayerExperts>& layers);

}  // namespace trine::api
