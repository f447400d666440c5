// Errors by iteration as compression traces them: matrix,iteration,relative_error.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "eval/report/report_data.h"

namespace trine::eval::report {

/// Reads a trace strictly. The first line names the columns; every other line has a matrix (in
/// double quotes where its name has a comma or quote), a whole iteration, each one more than the
/// matrix's last, and a finite error that is not negative. One curve per matrix, in the order of
/// their first lines. kMalformed names `name` and the line.
[[nodiscard]] Result<std::vector<Curve>> parse_trace(std::string_view text,
                                                     std::string_view name);

}  // namespace trine::eval::report
