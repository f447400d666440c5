// The whole report as one HTML file that needs nothing from a network.
#pragma once

#include <string>

#include "eval/report/report_data.h"

namespace trine::eval::report {

/// Sections there is no data for are left out. The same data gives the same bytes.
[[nodiscard]] std::string render_page(const ReportData& data);

}  // namespace trine::eval::report
