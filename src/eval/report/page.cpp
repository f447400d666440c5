#include "eval/report/page.h"

#include <fmt/format.h>

#include <map>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "eval/report/assets.h"
#include "eval/report/html_text.h"
#include "eval/report/model_maps.h"
#include "eval/report/sections.h"

namespace trine::eval::report {
namespace {

struct Section {
  std::string id{};
  std::string title{};
  std::string html{};
  bool is_narrow = false;  ///< two of them stand side by side where there is room
};

bool is_narrow(const HeatMap& map) {
  constexpr std::size_t kMostColumns = 10;
  std::size_t columns = 0;
  for (const HeatMapColumns& group : map.columns) columns += group.labels.size();
  return columns <= kMostColumns;
}

std::vector<Section> sections_of(const ReportData& data) {
  std::vector<Section> sections = {{"summary", "Summary", render_summary(data)},
                                   {"budget", "Where the bytes went", render_budget(data)}};
  for (const ModelMap& map : model_maps(data)) {
    std::string html = render_heat_map(map.map);
    if (has_values(map.by_projection)) {
      html += fmt::format("<details>\n<summary>Every matrix apart</summary>\n{}</details>\n",
                          render_heat_map(map.by_projection));
    }
    sections.push_back({map.map.id, map.map.title, std::move(html), is_narrow(map.map)});
  }
  if (std::string curves = render_curves(data); !curves.empty()) {
    sections.push_back({"convergence", "Convergence", std::move(curves)});
  }
  sections.push_back({"matrices", data.compression ? "Worst matrices" : "Matrices",
                      render_worst_matrices(data)});
  return sections;
}

/// The template with every {{name}} replaced, in one pass: what is filled in is never looked at.
std::string filled(std::string_view page,
                   const std::map<std::string_view, std::string>& values) {
  std::string text;
  for (;;) {
    const std::size_t begin = page.find("{{");
    if (begin == std::string_view::npos) return text.append(page);
    const std::size_t end = page.find("}}", begin);
    check(end != std::string_view::npos, "page.html has a placeholder without an end");
    const auto value = values.find(page.substr(begin + 2, end - begin - 2));
    check(value != values.end(), "page.html has a placeholder nobody fills in");
    text.append(page.substr(0, begin)).append(value->second);
    page.remove_prefix(end + 2);
  }
}

}  // namespace

std::string render_page(const ReportData& data) {
  std::string links, body;
  for (const Section& section : sections_of(data)) {
    links += fmt::format("<li><a href=\"#{}\">{}</a></li>\n", section.id, section.title);
    body += fmt::format(
        "<section id=\"{0}\" aria-labelledby=\"{0}-title\"{3}>\n<h2 id=\"{0}-title\">{1}</h2>\n"
        "{2}</section>\n",
        section.id, section.title, section.html, section.is_narrow ? " class=\"narrow\"" : "");
  }
  std::string chart;  // 200 kB that only curves need
  if (!data.curves.empty()) chart = fmt::format("<script>{}</script>\n", chart_script());
  return filled(page_template(), {{"model", escape_html(data.model)},
                                  {"version", escape_html(data.trine_version)},
                                  {"style", std::string(page_style())},
                                  {"links", links},
                                  {"sections", body},
                                  {"chart", chart},
                                  {"script", std::string(page_script())}});
}

}  // namespace trine::eval::report
