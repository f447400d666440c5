// What `trine bench` shows of its measurements without a model: JSON, and aligned tables.
#pragma once

#include <string>
#include <trine/bench.h>

#include "cli/output.h"

namespace trine::cli {

[[nodiscard]] Json to_json(const MachineReport& report);
[[nodiscard]] std::string to_text(const MachineReport& report);

[[nodiscard]] Json to_json(const KernelReport& report);
[[nodiscard]] std::string to_text(const KernelReport& report);

[[nodiscard]] Json to_json(const CompressBenchReport& report,
                           const CompressBenchOptions& options);
/// @param with_iterations also the error after each iteration of the compensator.
[[nodiscard]] std::string to_text(const CompressBenchReport& report,
                                  const CompressBenchOptions& options, bool with_iterations);

}  // namespace trine::cli
