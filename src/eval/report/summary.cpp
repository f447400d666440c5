// Figures of the whole model.
#include <fmt/format.h>

#include <string_view>
#include <vector>

#include "eval/report/html_text.h"
#include "eval/report/sections.h"

namespace trine::eval::report {
namespace {

/// One entry of the list of figures; `value` and `detail` are HTML already.
std::string entry(std::string_view name, std::string_view value, std::string_view detail = {}) {
  std::string text = fmt::format("<div><dt>{}</dt><dd><strong>{}</strong>", name, value);
  if (!detail.empty()) text += fmt::format("<span>{}</span>", detail);
  return text + "</dd></div>\n";
}

std::string name_html(std::string_view name) {
  return fmt::format("<span class=\"name\">{}</span>", escape_html(name));
}

std::string method_of(const ReportData::Compression& compression) {
  std::string text;
  if (!compression.preset.empty()) text = "preset " + name_html(compression.preset);
  if (!compression.allocator.empty()) {
    text += (text.empty() ? "allocator " : ", allocator ") + name_html(compression.allocator);
  }
  return text.empty() ? "not recorded" : text;
}

std::string budget_of(const ReportData::Compression& compression) {
  if (compression.budget_bits_per_weight) {
    return show_number(*compression.budget_bits_per_weight) + " bits per weight asked for";
  }
  if (compression.budget_bytes) return show_bytes(*compression.budget_bytes) + " asked for";
  return "no budget was asked for";
}

std::string compression_entries(const ReportData& data,
                                const ReportData::Compression& compression) {
  const double ratio =
      static_cast<double>(compression.original_bytes) / static_cast<double>(data.stored_bytes);
  return entry("Size", show_bytes(data.stored_bytes),
               fmt::format("from {}, {:.2f} times smaller",
                           show_bytes(compression.original_bytes), ratio)) +
         entry("Bits per weight", fmt::format("{:.3f}", compression.bits_per_weight),
               "compressed matrices; codes, scales, zeros, factors and padding counted") +
         entry("Bits per weight, whole model",
               fmt::format("{:.3f}", 8.0 * static_cast<double>(data.stored_bytes) /
                                         static_cast<double>(data.num_parameters)),
               "every stored byte over every parameter") +
         entry("Weight error", fmt::format("{:.5f}", compression.weight_error),
               "‖W − Ŵ‖ / ‖W‖ over all compressed matrices, Frobenius") +
         entry("Method", method_of(compression), budget_of(compression));
}

std::string figure(const Figure& value, int digits, double factor = 1.0,
                   std::string_view unit = {}) {
  return fmt::format("{:.{}f} ± {:.{}f}{}", factor * value.value, digits,
                     factor * value.standard_error, digits, unit);
}

std::string quality_row(std::string_view name, const std::string& original,
                        const std::string& model) {
  return fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td></tr>\n", name,
                     original, model);
}

std::string quality_table(const Quality& quality) {
  std::string text = fmt::format(
      "<h3>Quality</h3>\n<p class=\"note\">On {}: {} windows of {} tokens ({}), {} tokens "
      "scored; "
      "± one standard error.</p>\n<div class=\"scroll\" role=\"region\" tabindex=\"0\" "
      "aria-label=\"Quality\">\n<table class=\"plain\">\n",
      name_html(quality.text), quality.windows, quality.window, escape_html(quality.protocol),
      quality.scored_tokens);
  text +=
      "<thead><tr><th scope=\"col\">measure</th><th scope=\"col\">original</th>"
      "<th scope=\"col\">this model</th></tr></thead>\n<tbody>\n";
  text += quality_row(
      "perplexity", quality.original_perplexity ? figure(*quality.original_perplexity, 4) : "–",
      figure(quality.perplexity, 4));
  if (quality.kl_divergence) {
    text +=
        quality_row("KL divergence, nats per token", "0", figure(*quality.kl_divergence, 5));
  }
  if (quality.top1_agreement) {
    text += quality_row("top-1 agreement", "100 %",
                        figure(*quality.top1_agreement, 2, 100.0, " %"));
  }
  if (quality.routing_agreement) {
    text += quality_row("routing agreement", "100 %",
                        figure(*quality.routing_agreement, 2, 100.0, " %"));
  }
  return text + "</tbody>\n</table>\n</div>\n";
}

}  // namespace

std::string render_summary(const ReportData& data) {
  std::string experts = "no experts";
  if (data.num_experts > 0) {
    experts = fmt::format("{} experts, {} per token", data.num_experts, data.experts_per_token);
  }
  std::string text = "<dl class=\"figures\">\n";
  text += entry("Family", name_html(data.family),
                fmt::format("{} layers, {}", data.num_layers, experts));
  text += entry("Parameters", show_count(data.num_parameters),
                show_count(data.active_parameters) + " active per token");
  if (data.compression) {
    text += compression_entries(data, *data.compression);
  } else {
    text += entry("Size", show_bytes(data.stored_bytes), "an original, not compressed");
  }
  text += "</dl>\n";
  if (!data.reference.empty()) {
    text += fmt::format("<p>Compared with {}.</p>\n", name_html(data.reference));
  }
  if (data.quality) text += quality_table(*data.quality);
  return text;
}

}  // namespace trine::eval::report
