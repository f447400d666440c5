// Where the bytes went.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <set>
#include <string_view>
#include <vector>

#include "eval/report/html_text.h"
#include "eval/report/sections.h"

namespace trine::eval::report {
namespace {

constexpr std::size_t kParts = 4;
constexpr std::array<const char*, kParts> kPartClasses = {"codes", "scales", "factors",
                                                          "unpacked"};

/// A step of the waterfall.
struct Step {
  std::string label{};
  std::uint64_t num_matrices = 0;
  std::uint64_t num_weights = 0;  ///< 0: not counted
  std::array<std::uint64_t, kParts> bytes{};

  [[nodiscard]] std::uint64_t total() const {
    std::uint64_t sum = 0;
    for (const std::uint64_t part : bytes) sum += part;
    return sum;
  }
};

/// Role as in trine/inspect.h and the label of its step; in the order of the page.
constexpr std::array<std::array<const char*, 2>, 9> kRoles = {
    {{"attention", "attention"},
     {"latent", "attention latents"},
     {"dense", "dense"},
     {"shared_expert", "shared experts"},
     {"expert", "experts"},
     {"router", "routers"},
     {"position_bias", "position biases"},
     {"embedding", "embedding"},
     {"head", "head"}}};

std::vector<Step> steps_of(const ReportData& data) {
  std::vector<Step> steps;
  for (const auto& [role, label] : kRoles) {
    Step step{.label = label};
    for (const Matrix& matrix : data.matrices) {
      if (matrix.role != role) continue;
      step.num_matrices += 1;
      step.num_weights += matrix.num_weights();
      step.bytes[0] += matrix.codes_bytes;
      step.bytes[1] += matrix.scales_bytes;
      step.bytes[2] += matrix.factors_bytes;
      step.bytes[3] += matrix.unpacked_bytes;
    }
    if (step.num_matrices > 0) steps.push_back(std::move(step));
  }
  if (data.vectors_bytes > 0) {
    steps.push_back({.label = "norms, biases", .bytes = {0, 0, 0, data.vectors_bytes}});
  }
  return steps;
}

/// What the bytes that are not packed are.
std::string unpacked_label(const ReportData& data) {
  std::set<std::string> types;
  for (const Matrix& matrix : data.matrices) {
    if (!matrix.is_packed) types.insert(matrix.type);
  }
  const bool is_16_bit = std::all_of(types.begin(), types.end(), [](const std::string& type) {
    return type == "BF16" || type == "F16";
  });
  if (is_16_bit) return "16-bit";
  std::string text;
  for (const std::string& type : types) text += (text.empty() ? "" : ", ") + type;
  return "not packed (" + escape_html(text) + ")";
}

std::string segments(const Step& step, double before, double total) {
  std::string text;
  const auto out = std::back_inserter(text);
  double begin = 100.0 * before / total;
  for (std::size_t part = 0; part < kParts; ++part) {
    if (step.bytes[part] == 0) continue;
    const double width = 100.0 * static_cast<double>(step.bytes[part]) / total;
    fmt::format_to(out, "<i class=\"{}\" style=\"left:{:.3f}%;width:{:.3f}%\"></i>",
                   kPartClasses[part], begin, width);
    begin += width;
  }
  return text;
}

std::string waterfall(const std::vector<Step>& steps, std::uint64_t total) {
  const auto scale = static_cast<double>(std::max<std::uint64_t>(total, 1));
  std::string text =
      "<div class=\"waterfall\" role=\"img\" aria-label=\"Waterfall of bytes by role; the "
      "table below has its numbers\">\n";
  double before = 0.0;
  for (const Step& step : steps) {
    const auto bytes = static_cast<double>(step.total());
    text += fmt::format(
        "<div class=\"step\"><span>{}</span><div class=\"track\">{}</div>"
        "<span>{} · {:.1f} %</span></div>\n",
        step.label, segments(step, before, scale), show_bytes(step.total()),
        100.0 * bytes / scale);
    before += bytes;
  }
  return text + "</div>\n";
}

std::string table_row(const Step& step, std::uint64_t total, bool is_sum) {
  std::string text = fmt::format(
      "<tr{}><th scope=\"row\">{}</th><td>{}</td>", is_sum ? " class=\"sum\"" : "", step.label,
      step.num_matrices > 0 ? fmt::format("{}", step.num_matrices) : "");
  for (const std::uint64_t bytes : step.bytes) {
    text += fmt::format("<td>{}</td>", bytes == 0 ? "–" : show_bytes(bytes));
  }
  const auto bytes = static_cast<double>(step.total());
  return text +
         fmt::format(
             "<td>{}</td><td>{:.1f} %</td><td>{}</td></tr>\n", show_bytes(step.total()),
             100.0 * bytes / static_cast<double>(std::max<std::uint64_t>(total, 1)),
             step.num_weights == 0
                 ? ""
                 : fmt::format("{:.3f}", 8.0 * bytes / static_cast<double>(step.num_weights)));
}

}  // namespace

std::string render_budget(const ReportData& data) {
  const std::vector<Step> steps = steps_of(data);
  Step sum{.label = "all", .num_weights = data.num_parameters};
  for (const Step& step : steps) {
    sum.num_matrices += step.num_matrices;
    for (std::size_t part = 0; part < kParts; ++part) sum.bytes[part] += step.bytes[part];
  }
  const std::array<std::string, kParts> labels = {"codes", "scales and zeros", "factors",
                                                  unpacked_label(data)};
  std::string key = "<ul class=\"key\">", heads;
  for (std::size_t part = 0; part < kParts; ++part) {
    heads += fmt::format("<th scope=\"col\">{}</th>", labels[part]);
    if (sum.bytes[part] == 0) continue;
    key += fmt::format("<li><i class=\"{}\"></i> {}</li>", kPartClasses[part], labels[part]);
  }
  std::string rows;
  for (const Step& step : steps) rows += table_row(step, sum.total(), false);
  return fmt::format(
      "<p class=\"note\">Bytes of tensors, padding included; factors with their own scales."
      "</p>\n{}</ul>\n{}<div class=\"scroll\" role=\"region\" tabindex=\"0\" "
      "aria-label=\"Bytes by "
      "role\">\n<table class=\"plain\">\n<thead><tr><th scope=\"col\">role</th>"
      "<th scope=\"col\">matrices</th>{}<th scope=\"col\">together</th>"
      "<th scope=\"col\">share</th><th scope=\"col\">bits per weight</th></tr></thead>\n"
      "<tbody>\n{}{}</tbody>\n</table>\n</div>\n",
      key, waterfall(steps, sum.total()), heads, rows, table_row(sum, sum.total(), true));
}

}  // namespace trine::eval::report
