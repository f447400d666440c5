#include "eval/report/heat_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "eval/report/html_text.h"

namespace trine::eval::report {
namespace {

constexpr int kLevels = 16;  ///< colours of the scale, classes q0 to q15 of page.css
constexpr std::size_t kMostNumbers = 40;  ///< columns whose numbers are shown

/// Values that span more than this are coloured by their logarithm: a single large one would
/// otherwise leave all the others in one colour.
constexpr double kLogarithmicSpan = 50.0;

/// From values to colours and to text with one power of ten for the whole map.
class Scale {
 public:
  explicit Scale(const HeatMap& map) {
    bool is_first = true;
    for (const HeatMapRow& row : map.rows) {
      for (const auto& value : row.values) {
        if (!value || !std::isfinite(*value)) continue;
        low_ = is_first ? *value : std::min(low_, *value);
        high_ = is_first ? *value : std::max(high_, *value);
        is_first = false;
      }
    }
    is_logarithmic_ = low_ > 0.0 && high_ > kLogarithmicSpan * low_;
    const double size = std::max(std::fabs(low_), std::fabs(high_));
    if (size > 0.0 && (size < 0.03 || size >= 1e5)) {
      exponent_ = static_cast<int>(std::floor(std::log10(size)));
    }
    const double shown = size * std::pow(10.0, -exponent_);
    decimals_ = shown >= 100.0 ? 0 : shown >= 10.0 ? 1 : shown >= 1.0 ? 2 : 3;
  }

  [[nodiscard]] double low() const noexcept { return low_; }
  [[nodiscard]] double high() const noexcept { return high_; }
  [[nodiscard]] bool is_flat() const noexcept { return low_ == high_; }
  [[nodiscard]] bool is_logarithmic() const noexcept { return is_logarithmic_; }
  [[nodiscard]] int exponent() const noexcept { return exponent_; }

  [[nodiscard]] double middle() const {
    return is_logarithmic_ ? std::sqrt(low_ * high_) : (low_ + high_) / 2.0;
  }
  [[nodiscard]] int level(double value) const {
    if (is_flat()) return kLevels / 2;
    const double share = is_logarithmic_ ? std::log(value / low_) / std::log(high_ / low_)
                                         : (value - low_) / (high_ - low_);
    return std::clamp(static_cast<int>(share * kLevels), 0, kLevels - 1);
  }
  [[nodiscard]] std::string show(double value) const {
    const double scaled = value * std::pow(10.0, -exponent_);
    return show_fixed(scaled, scaled == std::round(scaled) ? 0 : decimals_);
  }

 private:
  double low_ = 0.0, high_ = 0.0;
  bool is_logarithmic_ = false;
  int exponent_ = 0;
  int decimals_ = 0;  ///< the same in every cell, but none for whole numbers
};

/// "−3" as superscript characters, which need no markup inside a label.
std::string superscript(int exponent) {
  static constexpr const char* kDigits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  std::string text = exponent < 0 ? "⁻" : "";
  for (const char digit : std::to_string(std::abs(exponent))) text += kDigits[digit - '0'];
  return text;
}

std::string unit_of(const HeatMap& map, const Scale& scale) {
  std::string unit = escape_html(map.unit);
  if (scale.exponent() != 0)
    unit = fmt::format("×10{} {}", superscript(scale.exponent()), unit);
  if (scale.is_logarithmic()) unit += ", logarithmic colours";
  return unit;
}

std::string legend(const HeatMap& map, const Scale& scale) {
  if (scale.is_flat()) {
    return fmt::format("<p class=\"legend\"><i class=\"q{}\"></i> {} {} everywhere</p>\n",
                       kLevels / 2, scale.show(scale.low()), unit_of(map, scale));
  }
  std::string colours;
  for (int level = 0; level < kLevels; ++level) {
    fmt::format_to(std::back_inserter(colours), "<i class=\"q{}\"></i>", level);
  }
  return fmt::format(
      "<div class=\"legend\"><div class=\"scale\" role=\"img\" aria-label=\"Colours from dark, "
      "{0}, "
      "to light, {2}\"><div class=\"ramp\">{3}</div><div class=\"ticks\"><span>{0}</span>"
      "<span>{1}</span><span>{2}</span></div></div><span>{4}</span></div>\n",
      scale.show(scale.low()), scale.show(scale.middle()), scale.show(scale.high()), colours,
      unit_of(map, scale));
}

/// Which columns have a value in some row.
std::vector<bool> columns_in_use(const HeatMap& map) {
  std::vector<bool> used;
  for (const HeatMapRow& row : map.rows) {
    if (row.values.size() > used.size()) used.resize(row.values.size());
    for (std::size_t i = 0; i < row.values.size(); ++i) {
      if (row.values[i]) used[i] = true;
    }
  }
  return used;
}

std::string head(const HeatMap& map, const std::vector<bool>& used) {
  std::string groups, labels;
  std::size_t column = 0;
  for (const HeatMapColumns& group : map.columns) {
    std::size_t span = 0;
    for (const std::string& label : group.labels) {
      const bool is_used = column < used.size() && used[column];
      ++column;
      if (!is_used) continue;
      labels += fmt::format("<th scope=\"col\"{}>{}</th>", span == 0 ? " class=\"first\"" : "",
                            escape_html(label));
      ++span;
    }
    if (span == 0) continue;
    groups += fmt::format("<th scope=\"colgroup\" class=\"first\" colspan=\"{}\">{}</th>", span,
                          escape_html(group.title));
  }
  return fmt::format(
      "<thead>\n<tr><th scope=\"col\" rowspan=\"2\">{}</th>{}</tr>\n<tr>{}</tr>\n</thead>\n",
      escape_html(map.row_title), groups, labels);
}

std::string body(const HeatMap& map, const std::vector<bool>& used, const Scale& scale) {
  std::string text = "<tbody>\n";
  const auto out = std::back_inserter(text);
  for (const HeatMapRow& row : map.rows) {
    const auto begin = row.values.begin();
    if (std::none_of(begin, row.values.end(), [](const auto& v) { return v.has_value(); })) {
      continue;
    }
    fmt::format_to(out, "<tr><th scope=\"row\">{}</th>", escape_html(row.label));
    for (std::size_t i = 0; i < used.size(); ++i) {
      if (!used[i]) continue;
      const std::optional<double> value = i < row.values.size() ? row.values[i] : std::nullopt;
      if (value && std::isfinite(*value)) {
        fmt::format_to(out, "<td class=\"q{}\">{}</td>", scale.level(*value),
                       scale.show(*value));
      } else {
        text += value ? "<td class=\"none\">∞</td>" : "<td class=\"none\"></td>";
      }
    }
    text += "</tr>\n";
  }
  return text + "</tbody>\n";
}

}  // namespace

bool has_values(const HeatMap& map) {
  const std::vector<bool> used = columns_in_use(map);
  return std::find(used.begin(), used.end(), true) != used.end();
}

std::string render_heat_map(const HeatMap& map) {
  const Scale scale(map);
  const std::vector<bool> used = columns_in_use(map);
  const auto num_columns = static_cast<std::size_t>(std::count(used.begin(), used.end(), true));
  const std::string title = escape_html(map.title);
  return fmt::format(
      "<p class=\"note\">{}</p>\n{}<div class=\"scroll\" role=\"region\" tabindex=\"0\" "
      "aria-label=\"{} by {}\">\n<table class=\"map{}\">\n{}{}</table>\n</div>\n",
      escape_html(map.note), legend(map, scale), title, escape_html(map.row_title),
      num_columns > kMostNumbers ? " tight" : "", head(map, used), body(map, used, scale));
}

}  // namespace trine::eval::report
