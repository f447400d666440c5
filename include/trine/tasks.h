// Scores of a model on the data sets models are compared by, as lm-evaluation-harness makes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <trine/engine.h>
#include <trine/progress.h>
#include <trine/result.h>
#include <vector>

namespace trine {

struct TaskOptions {
  std::vector<std::string> tasks{};  ///< names of task_names()
  std::string data_directory{};      ///< holds <task>/<split>.jsonl; docs/evaluation.md
  std::optional<std::size_t>
      few_shot{};              ///< examples per question; absent: the task's own number
  std::size_t limit = 0;       ///< documents per task or subject; 0: all
  std::size_t max_length = 0;  ///< tokens given at most; 0: what config.json says
  std::size_t max_generated_tokens = 256;  ///< of tasks that have the model write
  /// Answers to finished documents, one JSON line each; empty: they are not kept.
  std::string finished_file{};
  bool resume = false;  ///< go on where finished_file ends, instead of beginning again
  EngineOptions engine{};
};

struct TaskMetric {
  std::string name{};  ///< as in lm_eval: "acc", "acc_norm", "exact_match", "word_perplexity" …
  std::string filter{};  ///< as in lm_eval: "none", "strict-match" …
  double value = 0.0;
  std::optional<double> standard_error{};  ///< absent for a single document
  bool higher_is_better = true;
};

struct TaskScores {
  std::string name{};  ///< as in lm_eval
  double version = 0.0;
  std::size_t few_shot = 0;
  std::size_t documents = 0;
  bool is_pooled = false;  ///< all subjects together; theirs follow
  std::vector<TaskMetric> metrics{};
};

struct TaskReport {
  std::vector<TaskScores> tasks{};
  std::size_t max_length = 0;
  double seconds = 0.0;
  std::uint64_t peak_rss_bytes = 0;  ///< of the process
};

/// Every name a task has, in alphabetical order.
[[nodiscard]] std::vector<std::string> task_names();

/// kInvalidArgument for names, numbers and combinations that make no sense; kNotFound and
/// kMalformed name the file, and the line, that is missing or wrong; kUnsupported for models with
/// an encoder. @param progress counts the documents of the task at work.
[[nodiscard]] Result<TaskReport> evaluate_tasks(const std::string& model,
                                                const TaskOptions& options,
                                                const ProgressCallback& progress = {});

}  // namespace trine
