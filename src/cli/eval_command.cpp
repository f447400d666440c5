// trine eval
#include <trine/evaluate.h>
#include <trine/tasks.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>

#include "cli/commands.h"
#include "cli/perplexity_results.h"
#include "cli/progress_display.h"
#include "cli/shared_options.h"
#include "cli/task_results.h"

namespace trine::cli {
namespace {

struct EvalCommandOptions {
  std::string model{};
  std::string output_file{};
  std::size_t stride = 0;
  PerplexityOptions perplexity{};
  TaskOptions tasks{.tasks = {"perplexity"}};

  [[nodiscard]] bool asks_for_perplexity() const {
    return tasks.tasks == std::vector<std::string>{"perplexity"};
  }
};

/// What measuring a text says and needs.
Json perplexity_json(const PerplexityReport& report) {
  Json json = {{"task", "perplexity"}};
  json.update(report_json(report));
  return json;
}

Status run_perplexity(EvalCommandOptions& options, Output& output) {
  if (options.stride != 0) options.perplexity.stride = options.stride;
  Result<PerplexityReport> report = [&] {
    ProgressDisplay display("evaluating");
    return evaluate_perplexity(options.model, options.perplexity, display.callback());
  }();
  if (!report) return tl::unexpected<Error>(report.error());
  const Json json = perplexity_json(*report);
  if (!options.output_file.empty()) {
    if (Status written = write_json_file(options.output_file, json); !written) return written;
  }
  std::string text = describe_report(*report);
  if (!options.perplexity.save_reference.empty()) {
    text += fmt::format("\nreference          {}", options.perplexity.save_reference);
  }
  output.result(json, text);
  return {};
}

Status run_tasks(EvalCommandOptions& options, Output& output) {
  options.tasks.engine = options.perplexity.engine;
  if (!options.output_file.empty()) {
    options.tasks.finished_file = options.output_file + ".documents.jsonl";
  }
  const Result<TaskReport> report = [&] {
    ProgressDisplay display("evaluating");
    return evaluate_tasks(options.model, options.tasks, display.callback());
  }();
  if (!report) return tl::unexpected<Error>(report.error());
  const Json json = task_results_json(*report, options.tasks, options.model);
  if (!options.output_file.empty()) {
    if (Status written = write_json_file(options.output_file, json); !written) return written;
  }
  output.result(json, describe_task_results(*report));
  return {};
}

Status run_eval(EvalCommandOptions& options, Output& output) {
  return options.asks_for_perplexity() ? run_perplexity(options, output)
                                       : run_tasks(options, output);
}

/// What the options of one kind of measurement need of each other; thrown as usage errors.
void check_usage(const EvalCommandOptions& options) {
  const std::vector<std::string>& tasks = options.tasks.tasks;
  if (options.asks_for_perplexity()) {
    if (options.perplexity.text_files.empty()) throw CLI::RequiredError("--text");
    return;
  }
  const std::vector<std::string> names = task_names();
  for (const std::string& task : tasks) {
    if (task == "perplexity") {
      throw CLI::ValidationError("--task", "perplexity is measured alone");
    }
    if (std::find(names.begin(), names.end(), task) == names.end()) {
      throw CLI::ValidationError(
          "--task", fmt::format("there is no task \"{}\"; there are perplexity, {}", task,
                                fmt::join(names, ", ")));
    }
  }
  if (options.tasks.data_directory.empty()) {
    throw CLI::RequiredError("--data DIR, which holds <task>/<split>.jsonl,");
  }
  if (options.tasks.resume && options.output_file.empty()) {
    throw CLI::RequiredError("--output FILE, beside which finished documents are kept,");
  }
}

void add_task_options(CLI::App& app, EvalCommandOptions& options) {
  TaskOptions& tasks = options.tasks;
  app.add_option("--task", tasks.tasks,
                 fmt::format("perplexity, or tasks: {}", fmt::join(task_names(), ", ")))
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--data", tasks.data_directory,
                 "Tasks: directory of the data sets, <task>/<split>.jsonl");
  app.add_option("--few-shot", tasks.few_shot,
                 "Tasks: examples before each question (default: 5 for gsm8k, else 0)");
  app.add_option("--limit", tasks.limit, "Tasks: only the first documents of each task");
  app.add_option("--max-length", tasks.max_length,
                 "Tasks: tokens the model is given at most (default: as config.json says)");
  app.add_option("--max-gen-tokens", tasks.max_generated_tokens,
                 "Tasks: tokens an answer has at most")
      ->capture_default_str();
  app.add_option("--output", options.output_file,
                 "Also write the JSON result to this file; answers to finished documents go to "
                 "FILE.documents.jsonl");
  app.add_flag("--resume", tasks.resume, "Tasks: go on where FILE.documents.jsonl ends");
}

}  // namespace

DeclareCommand declare_eval;
std::function<Status(Output&)> declare_eval(CLI::App& app) {
  const auto options = std::make_shared<EvalCommandOptions>();
  add_model_argument(app, options->model);
  add_task_options(app, *options);
  app.add_option("--text", options->perplexity.text_files,
                 "Perplexity: UTF-8 text files, each measured by itself and all together");
  app.add_option("--window", options->perplexity.window, "Tokens run together")
      ->capture_default_str();
  app.add_option("--stride", options->stride,
                 "Slide the window by this many tokens and score only new ones (default: "
                 "disjoint windows)");
  app.add_option("--reference", options->perplexity.reference,
                 "The original model, or a file of --save-reference: also measure KL "
                 "divergence, top-1 and routing agreement");
  app.add_flag(
      "--split", options->perplexity.split,
      "With --reference: tell the error of experts from that of routing (one more pass)");
  app.add_option("--save-reference", options->perplexity.save_reference,
                 "Keep what this model says of the texts in a file, to be --reference later");
  app.add_option("--top-tokens", options->perplexity.top_tokens,
                 "Most likely tokens that --save-reference keeps of a prediction")
      ->capture_default_str();
  add_engine_options(app, options->perplexity.engine);
  add_json_option(app);
  app.callback([options] { check_usage(*options); });
  app.footer(
      "Examples:\n"
      "  trine eval models/tiny-mixtral --text models/tiny-mixtral/sample.txt --window 256\n"
      "  trine eval tiny-3bit --reference models/tiny-mixtral \\\n"
      "      --text models/tiny-mixtral/sample.txt --window 256 --json\n"
      "  trine eval models/tiny-mixtral --text models/tiny-mixtral/sample.txt --window 256 \\\n"
      "      --save-reference tiny.reference\n"
      "  trine eval tiny-3bit --reference tiny.reference --split \\\n"
      "      --text models/tiny-mixtral/sample.txt --window 256\n"
      "  trine eval MODEL --task hellaswag,arc_easy --data DIR --limit 200 --output "
      "scores.json\n"
      "Tasks are scored as lm-evaluation-harness scores them; docs/evaluation.md says where "
      "the\n"
      "data sets come from and which fields they have.\n"
      "Standard errors treat windows as the independent draws. Figures of different texts,\n"
      "windows or protocols are not comparable. Encoder–decoder models (Switch) have a "
      "protocol of\n"
      "their own, halves: of each disjoint window the encoder reads the first half of the "
      "tokens,\n"
      "the decoder is given its start token and predicts the second half, all of it scored.");
  return [options](Output& output) { return run_eval(*options, output); };
}

}  // namespace trine::cli
