// Scores of tasks, shown as lm_eval shows them.
#pragma once

#include <string>
#include <trine/tasks.h>

#include "cli/output.h"

namespace trine::cli {

/// results, groups, group_subtasks, versions, n-shot, n-samples, higher_is_better and config with
/// the keys of lm_eval ("acc,none", "acc_stderr,none"); "N/A" for a standard error there is not.
[[nodiscard]] Json task_results_json(const TaskReport& report, const TaskOptions& options,
                                     const std::string& model);

/// One line per metric.
[[nodiscard]] std::string describe_task_results(const TaskReport& report);

}  // namespace trine::cli
