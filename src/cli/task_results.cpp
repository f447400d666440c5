#include "cli/task_results.h"

#include <fmt/format.h>

namespace trine::cli {
namespace {

Json metrics_json(const TaskScores& scores) {
  Json json = {{"alias", scores.name}};
  for (const TaskMetric& metric : scores.metrics) {
    json[metric.name + "," + metric.filter] = metric.value;
    Json& error = json[metric.name + "_stderr," + metric.filter];
    error = "N/A";
    if (metric.standard_error) error = *metric.standard_error;
  }
  return json;
}

}  // namespace

Json task_results_json(const TaskReport& report, const TaskOptions& options,
                       const std::string& model) {
  Json json = {{"results", Json::object()}};
  std::string group;
  for (const TaskScores& scores : report.tasks) {
    json["results"][scores.name] = metrics_json(scores);
    if (scores.is_pooled) {
      group = scores.name;
      json["groups"][group] = json["results"][group];
    } else if (!group.empty() && scores.name.starts_with(group + "_")) {
      json["group_subtasks"][group].push_back(scores.name);
    }
    json["versions"][scores.name] = scores.version;
    json["n-shot"][scores.name] = scores.few_shot;
    json["n-samples"][scores.name] = {{"effective", scores.documents}};
    for (const TaskMetric& metric : scores.metrics) {
      json["higher_is_better"][scores.name][metric.name] = metric.higher_is_better;
    }
  }
  json["config"] = {{"model", "trine"},
                    {"model_args", model},
                    {"data", options.data_directory},
                    {"limit", options.limit == 0 ? Json() : Json(options.limit)},
                    {"max_length", report.max_length},
                    {"max_gen_toks", options.max_generated_tokens},
                    {"fewshot_seed", 1234}};
  json["total_evaluation_time_seconds"] = report.seconds;
  json["peak_rss_bytes"] = report.peak_rss_bytes;
  return json;
}

std::string describe_task_results(const TaskReport& report) {
  std::string text = fmt::format("{:<28} {:>6} {:>7}  {:<34} {:>9}   {}\n", "task", "shots",
                                 "docs", "metric", "value", "standard error");
  for (const TaskScores& scores : report.tasks) {
    for (const TaskMetric& metric : scores.metrics) {
      const std::string error =
          metric.standard_error ? fmt::format("± {:.4f}", *metric.standard_error) : "";
      const std::string name =
          metric.filter == "none" ? metric.name : metric.name + "," + metric.filter;
      text += fmt::format("{:<28} {:>6} {:>7}  {:<34} {:>9.4f}   {}\n", scores.name,
                          scores.few_shot, scores.documents, name, metric.value, error);
    }
  }
  return text + fmt::format("time {}, peak memory {}", format_duration(report.seconds),
                            format_bytes(static_cast<double>(report.peak_rss_bytes)));
}

}  // namespace trine::cli
