// What `trine bench --layer` shows: JSON, and an aligned table.
#pragma once

#include <string>
#include <trine/bench.h>

#include "cli/output.h"

namespace trine::cli {

[[nodiscard]] Json to_json(const LayerReport& report, const LayerBenchOptions& options);
[[nodiscard]] std::string to_text(const LayerReport& report, const LayerBenchOptions& options);

}  // namespace trine::cli
