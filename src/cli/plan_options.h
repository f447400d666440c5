// The options that decide what is done to every matrix; plan and compress share them.
#pragma once

#include <CLI/CLI.hpp>
#include <trine/plan.h>

namespace trine::cli {

/// Declares them on `app`; `options` must live as long as it.
void add_plan_options(CLI::App& app, PlanOptions& options);

}  // namespace trine::cli
