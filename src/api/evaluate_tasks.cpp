#include <trine/tasks.h>

#include <chrono>
#include <filesystem>

#include "api/opened_model.h"
#include "api/output_file.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/peak_memory.h"
#include "checkpoint/fingerprint.h"
#include "eval/tasks/run_task.h"
#include "input/tokenizer.h"
#include "models/generation_config.h"

namespace trine {
namespace {

/// Which model this is. trine.json holds a checksum of every tensor of a packed one.
Result<std::string> identity_of(const api::OpenedModel& model, const std::string& path) {
  if (model.original) return checkpoint::fingerprint(*model.original);
  constexpr std::size_t kMostBytes = std::size_t{1} << 30;
  TRINE_ASSIGN_OR_RETURN(
      const std::string manifest,
      base::read_text_file(std::filesystem::path(path) / "trine.json", kMostBytes));
  return base::to_hex(
      base::xxh3({reinterpret_cast<const std::uint8_t*>(manifest.data()), manifest.size()}));
}

/// What answers depend on besides the questions; those of other conditions are not gone on with.
Result<base::Json> conditions_of(const api::OpenedModel& model, const std::string& path,
                                 const eval::TaskSettings& settings) {
  TRINE_ASSIGN_OR_RETURN(const std::string identity, identity_of(model, path));
  return base::Json{{"model", identity},
                    {"max_length", settings.max_length},
                    {"max_gen_toks", settings.max_generated_tokens}};
}

Result<eval::FinishedDocuments> open_finished(const TaskOptions& options,
                                              const api::OpenedModel& model,
                                              const std::string& path,
                                              const eval::TaskSettings& settings) {
  if (options.finished_file.empty()) {
    if (!options.resume) return eval::FinishedDocuments();
    return fail(ErrorCode::kInvalidArgument,
                "--resume needs --output, beside which finished documents are kept");
  }
  TRINE_RETURN_IF_ERROR(api::check_output_file(options.finished_file, "finished documents"));
  TRINE_ASSIGN_OR_RETURN(const base::Json conditions, conditions_of(model, path, settings));
  return eval::FinishedDocuments::open(options.finished_file, conditions, options.resume);
}

TaskScores to_public(eval::TaskResult result) {
  TaskScores scores{.name = std::move(result.name),
                    .version = result.version,
                    .few_shot = result.few_shot,
                    .documents = result.num_documents,
                    .is_pooled = result.is_pooled};
  for (eval::Metric& metric : result.metrics) {
    scores.metrics.push_back({std::move(metric.name), std::move(metric.filter), metric.value,
                              metric.standard_error, metric.higher_is_better});
  }
  return scores;
}

Result<std::vector<const eval::Task*>> find_tasks(const std::vector<std::string>& names) {
  std::vector<const eval::Task*> found;
  for (const std::string& name : names) {
    TRINE_ASSIGN_OR_RETURN(const eval::Task* task, eval::find_task(name));
    found.push_back(task);
  }
  if (found.empty()) return fail(ErrorCode::kInvalidArgument, "no task was named");
  return found;
}

Result<eval::TaskSettings> settings_of(const TaskOptions& options, const ModelSpec& spec) {
  const std::size_t most = spec.max_position_embeddings;
  eval::TaskSettings settings{.data_directory = options.data_directory,
                              .few_shot = options.few_shot,
                              .limit = options.limit,
                              .max_length = options.max_length == 0 ? most : options.max_length,
                              .max_generated_tokens = options.max_generated_tokens};
  if (settings.max_length < 2 || settings.max_length > most) {
    return fail(ErrorCode::kInvalidArgument,
                "the model is to be given at most {} tokens, expected 2 to {}, its "
                "max_position_embeddings",
                settings.max_length, most);
  }
  return settings;
}

}  // namespace

std::vector<std::string> task_names() {
  std::vector<std::string> names;
  for (const eval::Task& task : eval::tasks()) {
    if (!task.short_name.empty()) names.emplace_back(task.short_name);
    names.emplace_back(task.name);
  }
  return names;
}

Result<TaskReport> evaluate_tasks(const std::string& model, const TaskOptions& options,
                                  const ProgressCallback& progress) {
  const auto start = std::chrono::steady_clock::now();
  TRINE_ASSIGN_OR_RETURN(const auto tasks, find_tasks(options.tasks));
  TRINE_ASSIGN_OR_RETURN(const api::OpenedModel opened, api::open_model(model));
  if (opened.spec().encoder) {
    return fail(ErrorCode::kUnsupported,
                "{}: has an encoder; tasks are scored with models that continue a text", model);
  }
  TRINE_ASSIGN_OR_RETURN(const auto settings, settings_of(options, opened.spec()));
  TRINE_ASSIGN_OR_RETURN(const auto tokenizer, input::open_tokenizer(model));
  TRINE_ASSIGN_OR_RETURN(eval::FinishedDocuments finished,
                         open_finished(options, opened, model, settings));
  TRINE_ASSIGN_OR_RETURN(runtime::Engine engine, api::make_engine(opened, options.engine));
  engine.set_steady(true);  // the same scores after an interruption, and whatever runs together
  const base::Json& config =
      opened.packed ? opened.packed->config() : opened.original->config();
  TRINE_ASSIGN_OR_RETURN(auto end_tokens, models::read_end_tokens(model, config));
  if (end_tokens.empty() && tokenizer->eos_id()) end_tokens.push_back(*tokenizer->eos_id());
  eval::AskedModel asked{engine, *tokenizer, std::move(end_tokens)};
  TaskReport report{.max_length = settings.max_length};
  for (const eval::Task* task : tasks) {
    TRINE_ASSIGN_OR_RETURN(auto results,
                           eval::run_task(*task, settings, asked, finished, progress));
    for (eval::TaskResult& result : results) {
      report.tasks.push_back(to_public(std::move(result)));
    }
  }
  report.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  report.peak_rss_bytes = base::peak_rss_bytes();
  return report;
}

}  // namespace trine
