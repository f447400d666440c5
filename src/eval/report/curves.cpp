// How the errors of compensated matrices fell.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <vector>

#include "eval/report/html_text.h"
#include "eval/report/sections.h"

namespace trine::eval::report {
namespace {

constexpr std::size_t kMostLines = 6;  ///< apart from the median: more cannot be told apart
constexpr std::size_t kMostCurves = 60;

/// Worst last error first.
std::vector<const Curve*> sorted(const std::vector<Curve>& curves) {
  std::vector<const Curve*> result;
  for (const Curve& curve : curves) result.push_back(&curve);
  std::stable_sort(result.begin(), result.end(), [](const Curve* a, const Curve* b) {
    return a->relative_errors.back() > b->relative_errors.back();
  });
  return result;
}

/// Of every iteration the median over the matrices that came so far; one that stopped early counts
/// with its last error, else the median would jump when it leaves.
Curve median_of(const std::vector<Curve>& curves) {
  std::size_t end = 0;
  Curve median{.first_iteration = curves.front().first_iteration};
  for (const Curve& curve : curves) {
    median.first_iteration = std::min(median.first_iteration, curve.first_iteration);
    end = std::max<std::size_t>(end, curve.first_iteration + curve.relative_errors.size());
  }
  for (std::size_t iteration = median.first_iteration; iteration < end; ++iteration) {
    std::vector<double> errors;
    for (const Curve& curve : curves) {
      if (iteration < curve.first_iteration) continue;
      const std::size_t last = curve.relative_errors.size() - 1;
      errors.push_back(curve.relative_errors[std::min<std::size_t>(
          iteration - curve.first_iteration, last)]);
    }
    const auto middle = errors.begin() + static_cast<std::ptrdiff_t>(errors.size() / 2);
    std::nth_element(errors.begin(), middle, errors.end());
    median.relative_errors.push_back(*middle);
  }
  return median;
}

std::string curve_json(const std::string& label, const Curve& curve) {
  std::string points;
  const auto out = std::back_inserter(points);
  for (std::size_t i = 0; i < curve.relative_errors.size(); ++i) {
    fmt::format_to(out, "{}[{},{:.6g}]", i == 0 ? "" : ",", curve.first_iteration + i,
                   curve.relative_errors[i]);
  }
  return fmt::format("{{\"label\":{},\"points\":[{}]}}", script_string(label), points);
}

std::string table(const std::vector<const Curve*>& curves) {
  std::string rows;
  for (std::size_t i = 0; i < curves.size() && i < kMostCurves; ++i) {
    const Curve& curve = *curves[i];
    const double first = curve.relative_errors.front(), last = curve.relative_errors.back();
    const double change = first > 0.0 ? 100.0 * (last / first - 1.0) : 0.0;
    rows += fmt::format(
        "<tr><th scope=\"row\" class=\"name\">{}</th><td data-value=\"{}\">{}</td>"
        "<td data-value=\"{}\">{:.5f}</td><td data-value=\"{}\">{:.5f}</td>"
        "<td data-value=\"{}\">{:+.1f} %</td></tr>\n",
        escape_html(curve.matrix), curve.relative_errors.size(), curve.relative_errors.size(),
        first, first, last, last, change, change);
  }
  return fmt::format(
      "<details>\n<summary>The curves as numbers</summary>\n<p class=\"note\">{} of {} "
      "matrices, the largest last error first.</p>\n<div class=\"scroll\" "
      "role=\"region\" tabindex=\"0\" aria-label=\"Convergence by matrix\">\n"
      "<table class=\"plain sortable\">\n<thead><tr><th scope=\"col\">matrix</th><th "
      "scope=\"col\">iterations"
      "</th><th scope=\"col\">first error</th><th scope=\"col\" aria-sort=\"descending\">last "
      "error</th><th scope=\"col\">change</th></tr></thead>\n<tbody>\n{}</tbody>\n</table>\n"
      "</div>\n</details>\n",
      std::min(curves.size(), kMostCurves), curves.size(), rows);
}

}  // namespace

std::string render_curves(const ReportData& data) {
  if (data.curves.empty()) return {};
  const std::vector<const Curve*> curves = sorted(data.curves);
  std::string json =
      curve_json(fmt::format("median of {} matrices", curves.size()), median_of(data.curves));
  // From the worst to the best at even steps: the worst alone would lie on one another.
  const std::size_t lines = std::min(curves.size(), kMostLines);
  for (std::size_t i = 0; i < lines; ++i) {
    const std::size_t rank = lines == 1 ? 0 : i * (curves.size() - 1) / (lines - 1);
    json += ',' + curve_json(curves[rank]->matrix, *curves[rank]);
  }
  return fmt::format(
      "<p class=\"note\">Relative error ‖W − Ŵ‖ / ‖W‖ (Frobenius) after each iteration between "
      "quantizer and compensator: the median of {} matrices, and {} of them from the one that "
      "ended worst to the one that ended best.</p>\n"
      "<div class=\"chart\"><canvas id=\"curves\" role=\"img\" aria-label=\"Relative error by "
      "iteration; the table below has its numbers\"></canvas></div>\n"
      "<ul class=\"key\" id=\"curve-key\"></ul>\n"
      "<noscript><p>The chart needs scripts; the table below does not.</p></noscript>\n"
      "<script type=\"application/json\" id=\"curve-data\">[{}]</script>\n{}",
      curves.size(), lines, json, table(curves));
}

}  // namespace trine::eval::report
