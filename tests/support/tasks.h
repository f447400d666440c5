// The tasks by their names, for tests of one of them.
#pragma once

#include <string_view>

#include "eval/tasks/task.h"

namespace trine::testing_support {

[[nodiscard]] inline const eval::Task& task_named(std::string_view name) {
  return *eval::find_task(name).value();
}

}  // namespace trine::testing_support
