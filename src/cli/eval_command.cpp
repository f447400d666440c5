// trine eval
#include <trine/evaluate.h>
#include <trine/tasks.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>

#include "cli/commands.h"
#include "cli/progress_display.h"
#include "cli/shared_options.h"
#include "cli/task_results.h"

namespace trine::cli {
namespace {

struct Options {
  std::string model{};
  std::string output_file{};
  std::size_t stride = 0;
  PerplexityOptions perplexity{};
  TaskOptions tasks{.tasks = {"perplexity"}};

  [[nodiscard]] bool asks_for_perplexity() const {
    return tasks.tasks == std::vector<std::string>{"perplexity"};
  }
};

Json to_json(const PerplexityReport& report, const PerplexityOptions& options) {
  Json json = {{"task", "perplexity"},
               {"protocol", report.protocol},
               {"text", options.text_file},
               {"window", report.window},
               {"stride", report.stride},
               {"tokens", report.tokens},
               {"scored_tokens", report.scored_tokens},
               {"windows", report.windows}};
  add_score(json, "perplexity", report.perplexity.value, report.perplexity.standard_error);
  add_score(json, "nll", report.nll.value, report.nll.standard_error);
  const auto add = [&](const char* key, const std::optional<Score>& score) {
    if (score) add_score(json, key, score->value, score->standard_error);
  };
  add("kl_divergence", report.kl_divergence);
  add("top1_agreement", report.top1_agreement);
  add("routing_agreement", report.routing_agreement);
  json["seconds"] = report.seconds;
  json["peak_rss_bytes"] = report.peak_rss_bytes;
  return json;
}

std::string describe(const PerplexityReport& report, const PerplexityOptions& options) {
  std::string text = fmt::format(
      "perplexity         {:.4f} ± {:.4f}\n"
      "  text             {}: {} tokens, {} scored in {} windows\n"
      "  protocol         {}, window {}{}\n",
      report.perplexity.value, report.perplexity.standard_error, options.text_file,
      report.tokens, report.scored_tokens, report.windows, report.protocol, report.window,
      report.stride == report.window ? "" : fmt::format(", stride {}", report.stride));
  const auto add = [&](const char* name, const std::optional<Score>& score) {
    if (!score) return;
    text += fmt::format("{:<18} {:.5f} ± {:.5f}\n", name, score->value, score->standard_error);
  };
  add("kl divergence", report.kl_divergence);
  add("top-1 agreement", report.top1_agreement);
  add("routing agreement", report.routing_agreement);
  return text + fmt::format("time               {}, peak memory {}",
                            format_duration(report.seconds),
                            format_bytes(static_cast<double>(report.peak_rss_bytes)));
}

Status run_perplexity(Options& options, Output& output) {
  if (options.stride != 0) options.perplexity.stride = options.stride;
  Result<PerplexityReport> report = [&] {
    ProgressDisplay display("evaluating");
    return evaluate_perplexity(options.model, options.perplexity, display.callback());
  }();
  if (!report) return tl::unexpected<Error>(report.error());
  const Json json = to_json(*report, options.perplexity);
  if (!options.output_file.empty()) {
    if (Status written = write_json_file(options.output_file, json); !written) return written;
  }
  output.result(json, describe(*report, options.perplexity));
  return {};
}

Status run_tasks(Options& options, Output& output) {
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

Status run_eval(Options& options, Output& output) {
  return options.asks_for_perplexity() ? run_perplexity(options, output)
                                       : run_tasks(options, output);
}

/// What the options of one kind of measurement need of each other; thrown as usage errors.
void check_usage(const Options& options) {
  const std::vector<std::string>& tasks = options.tasks.tasks;
  if (options.asks_for_perplexity()) {
    if (options.perplexity.text_file.empty()) throw CLI::RequiredError("--text");
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

void add_task_options(CLI::App& app, Options& options) {
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
  const auto options = std::make_shared<Options>();
  add_model_argument(app, options->model);
  add_task_options(app, *options);
  app.add_option("--text", options->perplexity.text_file, "Perplexity: UTF-8 text file");
  app.add_option("--window", options->perplexity.window, "Tokens run together")
      ->capture_default_str();
  app.add_option("--stride", options->stride,
                 "Slide the window by this many tokens and score only new ones (default: "
                 "disjoint windows)");
  app.add_option("--reference", options->perplexity.reference,
                 "The original model: also measure KL divergence, top-1 and routing agreement");
  add_engine_options(app, options->perplexity.engine);
  add_json_option(app);
  app.callback([options] { check_usage(*options); });
  app.footer(
      "Examples:\n"
      "  trine eval models/tiny-mixtral --text models/tiny-mixtral/sample.txt --window 256\n"
      "  trine eval tiny-3bit --reference models/tiny-mixtral \\\n"
      "      --text models/tiny-mixtral/sample.txt --window 256 --json\n"
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
