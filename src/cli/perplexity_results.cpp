#include "cli/perplexity_results.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>

namespace trine::cli {
namespace {

/// A figure with its standard error, in JSON and in text.
struct ScoreRow {
  const char* key;
  const char* name;
  std::optional<Score> TextReport::*score;
};

constexpr ScoreRow kScores[] = {
    {"kl_divergence", "kl divergence", &TextReport::kl_divergence},
    {"expert_divergence", "  of experts", &TextReport::expert_divergence},
    {"routing_divergence", "  of routing", &TextReport::routing_divergence},
    {"top1_agreement", "top-1 agreement", &TextReport::top1_agreement},
    {"routing_agreement", "routing agreement", &TextReport::routing_agreement},
    {"original_perplexity", "original's", &TextReport::original_perplexity},
};

Json text_json(const TextReport& report) {
  Json json = {{"tokens", report.tokens},
               {"scored_tokens", report.scored_tokens},
               {"windows", report.windows}};
  if (!report.text_file.empty()) json["text"] = report.text_file;
  add_score(json, "perplexity", report.perplexity.value, report.perplexity.standard_error);
  add_score(json, "nll", report.nll.value, report.nll.standard_error);
  for (const ScoreRow& row : kScores) {
    const std::optional<Score>& score = report.*row.score;
    if (score) add_score(json, row.key, score->value, score->standard_error);
  }
  if (report.kl_divergence_99) json["kl_divergence_99"] = *report.kl_divergence_99;
  if (report.largest_kl_divergence) {
    json["largest_kl_divergence"] = *report.largest_kl_divergence;
  }
  if (report.top1_low) json["top1_interval"] = {*report.top1_low, *report.top1_high};
  return json;
}

std::string details(const char* key, const TextReport& report) {
  const std::string_view name = key;
  if (name == "kl_divergence") {
    return fmt::format(" nats per token; 99 % of tokens at most {:.4f}, largest {:.4f}",
                       *report.kl_divergence_99, *report.largest_kl_divergence);
  }
  if (name == "top1_agreement") {
    return fmt::format("; 95 % interval {:.4f} to {:.4f}", *report.top1_low, *report.top1_high);
  }
  return "";
}

std::string describe_figures(const TextReport& report) {
  std::string text = fmt::format("perplexity         {:.4f} ± {:.4f}\n",
                                 report.perplexity.value, report.perplexity.standard_error);
  for (const ScoreRow& row : kScores) {
    const std::optional<Score>& score = report.*row.score;
    if (!score) continue;
    text += fmt::format("{:<18} {:.5f} ± {:.5f}{}\n", row.name, score->value,
                        score->standard_error, details(row.key, report));
  }
  return text;
}

/// One line per text, for several.
std::string describe_texts(const PerplexityReport& report) {
  std::string text = fmt::format("\n{:<24} {:>8} {:>21}", "text", "scored", "perplexity");
  const bool has_reference = report.kl_divergence.has_value();
  if (has_reference)
    text += fmt::format(" {:>19} {:>8} {:>8}", "kl divergence", "top-1", "routing");
  for (const TextReport& one : report.texts) {
    text += fmt::format("\n{:<24} {:>8} {:>10.4f} ± {:>8.4f}",
                        std::filesystem::path(one.text_file).filename().string(),
                        one.scored_tokens, one.perplexity.value, one.perplexity.standard_error);
    if (!has_reference) continue;
    text += fmt::format(" {:>9.5f} ± {:.5f} {:>8.4f} {:>8.4f}", one.kl_divergence->value,
                        one.kl_divergence->standard_error, one.top1_agreement->value,
                        one.routing_agreement->value);
  }
  return text;
}

}  // namespace

Json report_json(const PerplexityReport& report) {
  Json json = {
      {"protocol", report.protocol}, {"window", report.window}, {"stride", report.stride}};
  json.update(text_json(report));
  if (report.top_tokens > 0) json["top_tokens"] = report.top_tokens;
  json["texts"] = Json::array();
  for (const TextReport& text : report.texts) json["texts"].push_back(text_json(text));
  json["seconds"] = report.seconds;
  json["peak_rss_bytes"] = report.peak_rss_bytes;
  return json;
}

std::string describe_report(const PerplexityReport& report) {
  const std::string name = report.texts.size() == 1
                               ? report.text_file
                               : fmt::format("{} texts", report.texts.size());
  std::string text = fmt::format(
      "{}  text             {}: {} tokens, {} scored in {} windows\n"
      "  protocol         {}, window {}{}\n",
      describe_figures(report), name, report.tokens, report.scored_tokens, report.windows,
      report.protocol, report.window,
      report.stride == report.window ? "" : fmt::format(", stride {}", report.stride));
  if (report.top_tokens > 0) {
    text += fmt::format(
        "  reference        keeps {} tokens a prediction: divergences are at most the true "
        "ones\n",
        report.top_tokens);
  }
  text += fmt::format("time               {}, peak memory {}", format_duration(report.seconds),
                      format_bytes(static_cast<double>(report.peak_rss_bytes)));
  if (report.texts.size() > 1) text += fmt::format("\n{}", describe_texts(report));
  return text;
}

}  // namespace trine::cli
