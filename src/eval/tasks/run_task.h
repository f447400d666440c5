// One task, from its file to its metrics.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "eval/tasks/finished_documents.h"
#include "eval/tasks/scores.h"
#include "eval/tasks/task.h"
#include "input/tokenizer.h"
#include "runtime/engine.h"

namespace trine::eval {

struct TaskSettings {
  std::filesystem::path data_directory{};
  std::optional<std::size_t> few_shot{};  ///< absent: the task's own number
  std::size_t limit = 0;                  ///< documents per task or subject; 0: all
  std::size_t max_length = 0;             ///< tokens the model is given at most
  std::size_t max_generated_tokens = 256;
};

/// The model as tasks ask it. Everything outlives the run.
struct AskedModel {
  runtime::Engine& engine;
  const input::Tokenizer& tokenizer;
  std::vector<std::int32_t> end_tokens{};
};

struct TaskResult {
  std::string name{};
  double version = 0.0;
  std::size_t few_shot = 0;
  std::size_t num_documents = 0;
  bool is_pooled = false;  ///< made of the results after it
  std::vector<Metric> metrics{};
};

/// Scores `task`: one result, or for a task with subjects that of all together and then each
/// subject's, named <task>_<subject> in the order of the file. Answers go into `finished` as they
/// come, and those it has are not asked for again.
/// @param progress counts documents.
[[nodiscard]] Result<std::vector<TaskResult>> run_task(const Task& task,
                                                       const TaskSettings& settings,
                                                       AskedModel& model,
                                                       FinishedDocuments& finished,
                                                       const base::ProgressSink& progress);

}  // namespace trine::eval
