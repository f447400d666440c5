// The heat maps of a model: which numbers stand at which layer and expert.
#pragma once

#include <vector>

#include "eval/report/heat_map.h"
#include "eval/report/report_data.h"

namespace trine::eval::report {

struct ModelMap {
  HeatMap map{};
  /// The matrices of every expert apart, where they differ and are not too many.
  HeatMap by_projection{};
};

/// Every map there are numbers for: bits, rank, weight error, kurtosis and maximum row variance of
/// experts and of what else a layer has; router norm, its change, and use of experts.
[[nodiscard]] std::vector<ModelMap> model_maps(const ReportData& data);

}  // namespace trine::eval::report
