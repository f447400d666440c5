// The matrices to look at first.
#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <vector>

#include "eval/report/html_text.h"
#include "eval/report/sections.h"

namespace trine::eval::report {
namespace {

constexpr std::size_t kMostMatrices = 60;

/// What some column needs to be there.
struct Known {
  bool packed = false, ranks = false, kurtosis = false, row_variance = false;
};

Known known_of(const std::vector<Matrix>& matrices) {
  Known known;
  for (const Matrix& matrix : matrices) {
    known.packed |= matrix.is_packed;
    known.ranks |= matrix.rank > 0;
    known.kurtosis |= matrix.excess_kurtosis.has_value();
    known.row_variance |= matrix.max_row_variance.has_value();
  }
  return known;
}

/// Largest error first, then kurtosis, then size; equal ones as the model has them.
std::vector<const Matrix*> worst_of(const std::vector<Matrix>& matrices) {
  std::vector<const Matrix*> worst;
  for (const Matrix& matrix : matrices) worst.push_back(&matrix);
  const auto key = [](const Matrix* m) {
    return std::tuple(m->weight_error.value_or(-1.0), m->excess_kurtosis.value_or(-10.0),
                      m->stored_bytes());
  };
  std::stable_sort(worst.begin(), worst.end(),
                   [&](const Matrix* a, const Matrix* b) { return key(a) > key(b); });
  if (worst.size() > kMostMatrices) worst.resize(kMostMatrices);
  return worst;
}

/// A head that sorts the table by its column once the script has seen it.
std::string head(const char* title, bool is_sorted = false) {
  return fmt::format("<th scope=\"col\"{}>{}</th>",
                     is_sorted ? " aria-sort=\"descending\"" : "", title);
}

std::string cell(std::string_view shown, double value) {
  return fmt::format("<td data-value=\"{}\">{}</td>", value, shown);
}

std::string optional_cell(const std::optional<double>& value) {
  return value ? cell(show_number(*value), *value) : "<td></td>";
}

std::string row(const Matrix& matrix, const Known& known) {
  const auto bytes = static_cast<double>(matrix.stored_bytes());
  const auto weights = static_cast<double>(matrix.num_weights());
  std::string text =
      fmt::format("<tr><th scope=\"row\" class=\"name\">{}</th>", escape_html(matrix.name));
  if (known.packed) {
    const bool packed = matrix.is_packed;
    text += optional_cell(matrix.weight_error);
    text += packed ? cell(fmt::format("{}", matrix.bits), matrix.bits)
                   : fmt::format("<td>{}</td>", escape_html(matrix.type));
    text += packed ? fmt::format("<td data-value=\"{0}\">{0}</td>", matrix.group_size)
                   : "<td></td>";
    text += fmt::format("<td>{}</td>", escape_html(matrix.quantizer));
  } else {
    text += fmt::format("<td>{}</td>", escape_html(matrix.type));
  }
  if (known.ranks) {
    text += matrix.rank > 0 ? cell(fmt::format("{} ({} bits)", matrix.rank, matrix.factor_bits),
                                   static_cast<double>(matrix.rank))
                            : cell("–", 0.0);
  }
  if (known.kurtosis) text += optional_cell(matrix.excess_kurtosis);
  if (known.row_variance) text += optional_cell(matrix.max_row_variance);
  text += fmt::format("<td>{}</td>", escape_html(matrix.role));
  text += cell(fmt::format("{} × {}", matrix.out_features, matrix.in_features), weights);
  text += cell(show_bytes(matrix.stored_bytes()), bytes);
  const double bits_per_weight = weights > 0.0 ? 8.0 * bytes / weights : 0.0;
  return text + cell(fmt::format("{:.3f}", bits_per_weight), bits_per_weight) + "</tr>\n";
}

}  // namespace

std::string render_worst_matrices(const ReportData& data) {
  const Known known = known_of(data.matrices);
  std::string heads = head("matrix");
  if (known.packed) {
    heads += head("weight error", true) + head("bits") + head("group") + head("quantizer");
  } else {
    heads += head("type");
  }
  if (known.ranks) heads += head("rank");
  if (known.kurtosis) heads += head("kurtosis", !known.packed);
  if (known.row_variance) heads += head("max row variance");
  heads += head("role") + head("outputs × inputs") + head("size") + head("bits per weight");
  std::string rows;
  const std::vector<const Matrix*> worst = worst_of(data.matrices);
  for (const Matrix* matrix : worst) rows += row(*matrix, known);
  return fmt::format(
      "<p class=\"note\">{} of {} matrices, the largest {} first. Click a column's head to "
      "sort "
      "by it.</p>\n<div class=\"scroll\" role=\"region\" tabindex=\"0\" "
      "aria-label=\"Matrices\">\n<table class=\"plain "
      "sortable\">\n<thead><tr>{}</tr></thead>\n<tbody>\n{}</tbody>\n</table>\n</div>\n",
      worst.size(), data.matrices.size(),
      known.packed     ? "weight error"
      : known.kurtosis ? "kurtosis"
                       : "size",
      heads, rows);
}

}  // namespace trine::eval::report
