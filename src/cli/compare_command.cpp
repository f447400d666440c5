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

struct Options {
  PerplexityOptions evaluate{};
  std::string model{};
  std::size_t stride = 0;
  std::vector<std::string> conditions{};
};

Json to_json(const PerplexityReport& report, const Options& options,
             std::span<const Condition> conditions, bool failed) {
  Json json = {{"original", options.evaluate.reference},
               {"model", options.model},
               {"text", options.evaluate.text_file},
               {"protocol", report.protocol},
               {"window", report.window},
               {"stride", report.stride},
               {"scored_tokens", report.scored_tokens},
               {"windows", report.windows}};
  add_score(json, "kl_divergence", report.kl_divergence->value,
            report.kl_divergence->standard_error);
  json["kl_divergence_99"] = *report.kl_divergence_99;
  json["largest_kl_divergence"] = *report.largest_kl_divergence;
  add_score(json, "top1_agreement", report.top1_agreement->value,
            report.top1_agreement->standard_error);
  json["top1_interval"] = {*report.top1_low, *report.top1_high};
  add_score(json, "routing_agreement", report.routing_agreement->value,
            report.routing_agreement->standard_error);
  add_score(json, "original_perplexity", report.original_perplexity->value,
            report.original_perplexity->standard_error);
  add_score(json, "perplexity", report.perplexity.value, report.perplexity.standard_error);
  json["conditions"] = Json::array();
  for (const Condition& condition : conditions) {
    json["conditions"].push_back({{"fail_if", condition.text},
                                  {"value", condition.figure->value(report)},
                                  {"fails", condition.fails(report)}});
  }
  json["failed"] = failed;
  json["seconds"] = report.seconds;
  json["peak_rss_bytes"] = report.peak_rss_bytes;
  return json;
}

std::string describe(const PerplexityReport& report, std::span<const Condition> conditions) {
  std::string text = fmt::format(
      "kl divergence      {:.5f} ± {:.5f} nats per token, 99 % of tokens at most {:.4f}, "
      "largest {:.4f}\n"
      "top-1 agreement    {:.4f}, 95 % interval {:.4f} to {:.4f}\n"
      "routing agreement  {:.4f} ± {:.4f}\n"
      "perplexity         {:.4f} ± {:.4f}, original {:.4f}\n",
      report.kl_divergence->value, report.kl_divergence->standard_error,
      *report.kl_divergence_99, *report.largest_kl_divergence, report.top1_agreement->value,
      *report.top1_low, *report.top1_high, report.routing_agreement->value,
      report.routing_agreement->standard_error, report.perplexity.value,
      report.perplexity.standard_error, report.original_perplexity->value);
  for (const Condition& condition : conditions) {
    text += fmt::format("{:<18} {}: {:.5f}\n", condition.fails(report) ? "FAILS" : "passes",
                        condition.text, condition.figure->value(report));
  }
  return text + fmt::format("{} tokens scored in {} windows of {}, {}", report.scored_tokens,
                            report.windows, report.window, format_duration(report.seconds));
}

Status run_compare(Options& options, Output& output) {
  if (options.stride != 0) options.evaluate.stride = options.stride;
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
  const auto options = std::make_shared<Options>();
  app.add_option("ORIGINAL", options->evaluate.reference, "The model to be close to")
      ->required();
  app.add_option("MODEL", options->model, "The model to be judged, mostly a packed one")
      ->required();
  app.add_option("--text", options->evaluate.text_file, "UTF-8 text file")->required();
  app.add_option("--window", options->evaluate.window, "Tokens run together")
      ->capture_default_str();
  app.add_option("--stride", options->stride,
                 "Slide the window by this many tokens and score only new ones (default: "
                 "disjoint windows)");
  app.add_option("--fail-if", options->conditions,
                 "End with exit code 1 if so: kl, kl_99, kl_max, top1, routing or "
                 "perplexity_ratio, < or >, a number")
      ->delimiter(',')
      ->check(explain_condition);
  add_engine_options(app, options->evaluate.engine);
  add_json_option(app);
  app.footer(
      "Examples:\n"
      "  trine compare models/tiny-mixtral tiny-3bit --text models/tiny-mixtral/sample.txt \\\n"
      "      --window 256 --fail-if 'kl>0.02,top1<0.9' --json\n"
      "Divergence is that of ORIGINAL from MODEL per token, in nats. Exit code 1 when a "
      "condition\n"
      "is met (also by a figure that is not a number); the result is shown either way.");
  return [options](Output& output) { return run_compare(*options, output); };
}

}  // namespace trine::cli
