// What `trine eval` and `trine compare` say of texts.
#pragma once

#include <trine/evaluate.h>

#include <string>

#include "cli/output.h"

namespace trine::cli {

/// Protocol and figures of all texts together; those of each one under "texts".
[[nodiscard]] Json report_json(const PerplexityReport& report);

/// The same for a reader: lines without a newline at the end.
[[nodiscard]] std::string describe_report(const PerplexityReport& report);

}  // namespace trine::cli
