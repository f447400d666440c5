#include "eval/report/trace_file.h"

#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <string>

namespace trine::eval::report {
namespace {

constexpr std::string_view kColumns = "matrix,iteration,relative_error";

/// What of a bad line is shown in its sentence.
std::string_view excerpt(std::string_view line) { return line.substr(0, 80); }

/// The first field of `line`, which it leaves. Absent: quotes that do not match.
std::optional<std::string> take_field(std::string_view& line) {
  std::string field;
  if (!line.starts_with('"')) {
    field = line.substr(0, line.find(','));
    if (field.find('"') != std::string::npos) return std::nullopt;
    line.remove_prefix(field.size());
  } else {
    std::size_t i = 1;
    for (;; ++i) {
      if (i >= line.size()) return std::nullopt;
      if (line[i] == '"' && !(i + 1 < line.size() && line[i + 1] == '"')) break;
      if (line[i] == '"') ++i;
      field += line[i];
    }
    line.remove_prefix(i + 1);
  }
  if (line.empty()) return field;
  if (line.front() != ',') return std::nullopt;
  line.remove_prefix(1);
  return field;
}

template <class Number>
std::optional<Number> number_in(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

struct Line {
  std::string matrix{};
  std::uint64_t iteration = 0;
  double relative_error = 0.0;
};

std::optional<Line> parse_line(std::string_view line) {
  const std::optional<std::string> matrix = take_field(line);
  if (!matrix || matrix->empty()) return std::nullopt;
  const std::size_t comma = line.find(',');
  if (comma == std::string_view::npos) return std::nullopt;
  const auto iteration = number_in<std::uint64_t>(line.substr(0, comma));
  const auto error = number_in<double>(line.substr(comma + 1));
  if (!iteration || !error || !std::isfinite(*error) || *error < 0.0) return std::nullopt;
  return Line{*matrix, *iteration, *error};
}

}  // namespace

Result<std::vector<Curve>> parse_trace(std::string_view text, std::string_view name) {
  std::vector<Curve> curves;
  std::map<std::string, std::size_t> by_matrix;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (number == 1) {
      if (line == kColumns) continue;
      return fail(ErrorCode::kMalformed, "{}: line 1 is \"{}\", expected \"{}\"", name,
                  excerpt(line), kColumns);
    }
    const std::optional<Line> parsed = parse_line(line);
    if (!parsed) {
      return fail(ErrorCode::kMalformed,
                  "{}: line {} is \"{}\", expected a matrix, a whole iteration and a finite "
                  "error of at least 0",
                  name, number, excerpt(line));
    }
    const auto [found, is_new] = by_matrix.try_emplace(parsed->matrix, curves.size());
    if (is_new) curves.push_back({parsed->matrix, parsed->iteration, {}});
    Curve& curve = curves[found->second];
    const std::uint64_t expected = curve.first_iteration + curve.relative_errors.size();
    if (parsed->iteration != expected) {
      return fail(ErrorCode::kMalformed, "{}: line {} has iteration {} of {}, expected {}",
                  name, number, parsed->iteration, excerpt(parsed->matrix), expected);
    }
    curve.relative_errors.push_back(parsed->relative_error);
  }
  if (curves.empty()) {
    return fail(ErrorCode::kMalformed, "{}: no iterations, expected lines of {}", name,
                kColumns);
  }
  return curves;
}

}  // namespace trine::eval::report
