// trine compare
#include <trine/evaluate.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/perplexity_results.h"
#include "cli/progress_display.h"
#include "cli/shared_options.h"

namespace trine::cli {
namespace {

/// A figure that a condition may name.
struct Figure {
  std::string_view name;
  double (*value)(const PerplexityReport&);
};

constexpr std::array kFigures = {
    Figure{"kl", [](const PerplexityReport& r) { return r.kl_divergence->value; }},
    Figure{"kl_experts", [](const PerplexityReport& r) { return r.expert_divergence->value; }},
    Figure{"kl_routing", [](const PerplexityReport& r) { return r.routing_divergence->value; }},
    Figure{"kl_99", [](const PerplexityReport& r) { return *r.kl_divergence_99; }},
    Figure{"kl_max", [](const PerplexityReport& r) { return *r.largest_kl_divergence; }},
    Figure{"top1", [](const PerplexityReport& r) { return r.top1_agreement->value; }},
    Figure{"routing", [](const PerplexityReport& r) { return r.routing_agreement->value; }},
    Figure{"perplexity_ratio",
           [](const PerplexityReport& r) {
             return r.perplexity.value / r.original_perplexity->value;
           }},
};

/// "kl>0.02": the comparison fails if it is so, and if the figure is not a number.
struct Condition {
  std::string text{};
  const Figure* figure = nullptr;
  bool above = true;
  double limit = 0.0;

  [[nodiscard]] bool fails(const PerplexityReport& report) const {
    const double value = figure->value(report);
    return above ? !(value <= limit) : !(value >= limit);
  }
};

/// Nothing when `given` is not FIGURE>NUMBER or FIGURE<NUMBER; spaces do not matter.
std::optional<Condition> parse_condition(const std::string& given) {
  std::string text = given;
  std::erase(text, ' ');
  const std::size_t sign = text.find_first_of("<>");
  if (sign == std::string::npos) return std::nullopt;
  Condition condition{.text = text, .above = text[sign] == '>'};
  for (const Figure& figure : kFigures) {
    if (text.compare(0, sign, figure.name) == 0) condition.figure = &figure;
  }
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data() + sign + 1, end, condition.limit);
  const bool is_number = parsed.ec == std::errc() && parsed.ptr == end;
  if (condition.figure == nullptr || !is_number || !std::isfinite(condition.limit)) {
    return std::nullopt;
  }
  return condition;
}

std::string explain_condition(const std::string& text) {
  if (parse_condition(text)) return {};
  std::string names;
  for (const Figure& figure : kFigures) names += fmt::format(" {}", figure.name);
  return fmt::format("{}: expected a figure, < or > and a number, as in kl>0.02; figures are{}",
                     text, names);
}

struct CompareCommandOptions {
  PerplexityOptions evaluate{};
  std::string model{};
  std::size_t stride = 0;
  std::vector<std::string> conditions{};
};

Json to_json(const PerplexityReport& report, const CompareCommandOptions& options,
             std::span<const Condition> conditions, bool failed) {
  Json json = {{"original", options.evaluate.reference}, {"model", options.model}};
  json.update(report_json(report));
  json["conditions"] = Json::array();
  for (const Condition& condition : conditions) {
    json["conditions"].push_back({{"fail_if", condition.text},
                                  {"value", condition.figure->value(report)},
                                  {"fails", condition.fails(report)}});
  }
  json["failed"] = failed;
  return json;
}

std::string describe(const PerplexityReport& report, std::span<const Condition> conditions) {
  std::string text = describe_report(report);
  for (const Condition& condition : conditions) {
    text += fmt::format("\n{:<18} {}: {:.5f}", condition.fails(report) ? "FAILS" : "passes",
                        condition.text, condition.figure->value(report));
  }
  return text;
}

Status run_compare(CompareCommandOptions& options, Output& output) {
  if (options.stride != 0) options.evaluate.stride = options.stride;
  options.evaluate.split = true;
  std::vector<Condition> conditions;
  for (const std::string& text : options.conditions) {
    conditions.push_back(parse_condition(text).value());
  }
  const Result<PerplexityReport> report = [&] {
    ProgressDisplay display("comparing");
    return evaluate_perplexity(options.model, options.evaluate, display.callback());
  }();
  if (!report) return tl::unexpected<Error>(report.error());
  const bool failed =
      std::any_of(conditions.begin(), conditions.end(),
                  [&](const Condition& condition) { return condition.fails(*report); });
  output.result(to_json(*report, options, conditions, failed), describe(*report, conditions));
  if (failed) output.set_failed();
  return {};
}

}  // namespace

DeclareCommand declare_compare;
std::function<Status(Output&)> declare_compare(CLI::App& app) {
  const auto options = std::make_shared<CompareCommandOptions>();
  app.add_option("ORIGINAL", options->evaluate.reference,
                 "The model to be close to, or a file of `trine eval --save-reference`")
      ->required();
  app.add_option("MODEL", options->model, "The model to be judged, mostly a packed one")
      ->required();
  app.add_option("--text", options->evaluate.text_files,
                 "UTF-8 text files, each measured by itself and all together")
      ->required();
  app.add_option("--window", options->evaluate.window, "Tokens run together")
      ->capture_default_str();
  app.add_option("--stride", options->stride,
                 "Slide the window by this many tokens and score only new ones (default: "
                 "disjoint windows)");
  app.add_option(
         "--fail-if", options->conditions,
         "End with exit code 1 if so, for all texts together: kl, kl_experts, "
         "kl_routing, kl_99, kl_max, top1, routing or perplexity_ratio, < or >, a number")
      ->delimiter(',')
      ->check(explain_condition);
  add_engine_options(app, options->evaluate.engine);
  add_json_option(app);
  app.footer(
      "Examples:\n"
      "  trine compare models/tiny-mixtral tiny-3bit --text models/tiny-mixtral/sample.txt \\\n"
      "      --window 256 --fail-if 'kl>0.02,top1<0.9' --json\n"
      "Divergence is that of ORIGINAL from MODEL per token, in nats: of experts when MODEL is "
      "made\n"
      "to take ORIGINAL's experts, of routing what comes from taking others. Exit code 1 when "
      "a\n"
      "condition is met (also by a figure that is not a number); the result is shown either "
      "way.");
  return [options](Output& output) { return run_compare(*options, output); };
}

}  // namespace trine::cli
