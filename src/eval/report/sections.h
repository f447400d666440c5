// The parts of the page that are not heat maps, each as the inside of its section.
#pragma once

#include <string>

#include "eval/report/report_data.h"

namespace trine::eval::report {

/// Figures of the whole model; quality beside the original's where it was measured.
[[nodiscard]] std::string render_summary(const ReportData& data);

/// Where the bytes went: a waterfall over the roles, and the same as a table.
[[nodiscard]] std::string render_budget(const ReportData& data);

/// The matrices with the largest error, or of an original with the largest kurtosis.
[[nodiscard]] std::string render_worst_matrices(const ReportData& data);

/// The curves as a chart, a table, and the JSON the chart is drawn from; "" without curves.
[[nodiscard]] std::string render_curves(const ReportData& data);

}  // namespace trine::eval::report
