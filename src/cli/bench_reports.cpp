#include "cli/bench_reports.h"

#include <fmt/format.h>

namespace trine::cli {
namespace {

constexpr double kGiga = 1e9;

Json to_json(const ThreadRates& rates) {
  return {{"one_thread", rates.one}, {"all_threads", rates.all}};
}

/// null when the instruction set has no such instruction.
Json to_json(const PeakRate& rate) {
  if (rate.instruction.empty()) return nullptr;
  Json json = to_json(rate.operations_per_second);
  json["instruction"] = rate.instruction;
  return json;
}

Json to_json(const MatrixShape& shape) {
  return Json::array({shape.out_features, shape.in_features});
}

std::string describe(const MatrixShape& shape) {
  return fmt::format("{}x{}", shape.out_features, shape.in_features);
}

std::string rates_line(std::string_view what, const ThreadRates& rates, std::string_view unit,
                       std::string_view remark) {
  return fmt::format("{:<16} {:>10.1f} {:>12.1f}  {}{}\n", what, rates.one / kGiga,
                     rates.all / kGiga, unit,
                     remark.empty() ? "" : fmt::format("{:{}}{}", "", 9 - unit.size(), remark));
}

std::string peak_line(std::string_view what, const PeakRate& rate, std::string_view unit) {
  if (rate.instruction.empty()) return fmt::format("{:<16} {:>10} {:>12}\n", what, "-", "-");
  return rates_line(what, rate.operations_per_second, unit, rate.instruction);
}

/// A share as per cent; "-" where there is nothing to compare with.
std::string percent(double share) {
  return share > 0.0 ? fmt::format("{:.1f}", 100.0 * share) : "-";
}

Json to_json(const KernelRow& row) {
  const auto if_known = [](double value) { return value > 0.0 ? Json(value) : Json(nullptr); };
  return {{"path", row.is_engine ? "engine" : "kernel"},
          {"weights_in", row.is_cached ? "cache" : "memory"},
          {"bits", row.bits},
          {"shape", to_json(row.shape)},
          {"batch", row.batch},
          {"threads", row.threads},
          {"metadata_bits", row.metadata_bits},
          {"rank", row.rank},
          {"stored_bytes", row.stored_bytes},
          {"runs", row.runs},
          {"seconds", row.seconds},
          {"spread", row.spread},
          {"bytes_per_second", row.bytes_per_second},
          {"read_bandwidth_bytes_per_second", if_known(row.read_bandwidth)},
          {"read_share", if_known(row.read_share)},
          {"weights_per_clock_per_core", row.weights_per_clock},
          {"operations_per_second", row.operations_per_second},
          {"peak_per_second", if_known(row.peak_per_second)},
          {"peak_share", if_known(row.peak_share)},
          {"relative_error", row.relative_error}};
}

std::string row_line(const KernelRow& row) {
  return fmt::format(
      "{:<6} {:<6} {:>4} {:>11} {:>5} {:>7} {:>4} {:>4} {:>9.3f} {:>6.1f} {:>6.1f} {:>6} {:>7} "
      "{:>7.2f} {:>7.0f} {:>6} {:>9.1e}\n",
      row.is_engine ? "engine" : "kernel", row.is_cached ? "cache" : "memory", row.bits,
      describe(row.shape), row.batch, row.threads, row.metadata_bits, row.rank,
      1e3 * row.seconds, 100.0 * row.spread, row.bytes_per_second / kGiga,
      row.is_cached ? "-" : fmt::format("{:.1f}", row.read_bandwidth / kGiga),
      percent(row.read_share), row.weights_per_clock, row.operations_per_second / kGiga,
      percent(row.peak_share), row.relative_error);
}

}  // namespace

Json to_json(const MachineReport& report) {
  return {{"isa", report.isa},
          {"threads", report.threads},
          {"clock_hertz", report.clock_hertz},
          {"last_level_cache_bytes", report.last_level_cache_bytes},
          {"read_buffer_bytes", report.read_buffer_bytes},
          {"read_bandwidth_bytes_per_second", to_json(report.read_bandwidth)},
          {"best_read_bandwidth_bytes_per_second", to_json(report.best_read_bandwidth)},
          {"integer_dot_per_second", to_json(report.integer_dot)},
          {"fp32_multiply_add_per_second", to_json(report.multiply_add)},
          {"bf16_dot_per_second", to_json(report.bf16_dot)},
          {"sgemm_size", report.sgemm_size},
          {"sgemm_per_second", to_json(report.sgemm)}};
}

std::string to_text(const MachineReport& report) {
  const auto bytes = static_cast<double>(report.read_buffer_bytes);
  std::string text = fmt::format(
      "{}, clock {:.2f} GHz, last-level cache {}\n\n{:<16} {:>10} {:>12}\n", report.isa,
      report.clock_hertz / kGiga,
      format_bytes(static_cast<double>(report.last_level_cache_bytes)), "", "1 thread",
      fmt::format("{} thread{}", report.threads, report.threads == 1 ? "" : "s"));
  text += rates_line("read, median", report.read_bandwidth, "GB/s",
                     fmt::format("of {}", format_bytes(bytes)));
  text += rates_line("read, best", report.best_read_bandwidth, "GB/s", "");
  text += peak_line("integer dot", report.integer_dot, "GOP/s");
  text += peak_line("fp32 mult-add", report.multiply_add, "GFLOP/s");
  text += peak_line("bf16 dot", report.bf16_dot, "GFLOP/s");
  text += rates_line("sgemm", report.sgemm, "GFLOP/s",
                     fmt::format("OpenBLAS, {0} x {0}", report.sgemm_size));
  text.pop_back();
  return text;
}

Json to_json(const KernelReport& report) {
  Json rows = Json::array();
  for (const KernelRow& row : report.rows) rows.push_back(to_json(row));
  return {{"isa", report.isa},
          {"threads", report.threads},
          {"activations", report.activations},
          {"group_size", report.group_size},
          {"peak_instruction", report.peak_instruction},
          {"clock_hertz", report.clock_hertz},
          {"buffer_bytes", report.buffer_bytes},
          {"rows", std::move(rows)}};
}

std::string to_text(const KernelReport& report) {
  std::string text = fmt::format(
      "{}, clock {:.2f} GHz, groups of {}, activations {}, matrices rotate over {}\n"
      "GB/s: codes, scales, zeros and factors; read: plain reads before and after each run;\n"
      "w/clk: weights per clock and core; peak: share of {} on registers alone\n\n",
      report.isa, report.clock_hertz / kGiga, report.group_size, report.activations,
      format_bytes(static_cast<double>(report.buffer_bytes)),
      report.peak_instruction.empty() ? "nothing, this instruction set has no dot product,"
                                      : report.peak_instruction);
  text += fmt::format(
      "{:<6} {:<6} {:>4} {:>11} {:>5} {:>7} {:>4} {:>4} {:>9} {:>6} {:>6} {:>6} {:>7} {:>7} "
      "{:>7} {:>6} {:>9}\n",
      "path", "from", "bits", "shape", "batch", "threads", "meta", "rank", "ms", "±%", "GB/s",
      "read", "% read", "w/clk", "GOP/s", "% peak", "error");
  for (const KernelRow& row : report.rows) text += row_line(row);
  text.pop_back();
  return text;
}

Json to_json(const CompressBenchReport& report, const CompressBenchOptions& options) {
  return {{"quantizer", options.quantizer},
          {"compensator", options.rank > 0 ? Json(options.compensator) : Json(nullptr)},
          {"shape", to_json(options.shape)},
          {"bits", options.bits},
          {"group_size", options.group_size},
          {"rank", options.rank},
          {"threads", report.threads},
          {"seconds", report.seconds},
          {"run_seconds", report.run_seconds},
          {"weight_error", report.weight_error},
          {"iterations", report.trace.size()},
          {"iteration_errors", report.trace},
          {"low_rank_seconds", report.low_rank_seconds},
          {"low_rank_operations_per_second", report.low_rank_operations_per_second},
          {"sgemm_per_second", report.sgemm_operations_per_second}};
}

std::string to_text(const CompressBenchReport& report, const CompressBenchOptions& options,
                    bool with_iterations) {
  const auto weights = static_cast<double>(options.shape.out_features) *
                       static_cast<double>(options.shape.in_features);
  std::string text = fmt::format(
      "matrix           {}, {} bits, {}{}, {} threads\n"
      "time             {:.2f} s, median of {} ({:.1f} million weights/s)\n"
      "weight error     {:.5f}{}\n",
      describe(options.shape), options.bits, options.quantizer,
      options.rank > 0 ? fmt::format(" + {} of rank {}", options.compensator, options.rank)
                       : "",
      report.threads, report.seconds, report.run_seconds.size(), weights / report.seconds / 1e6,
      report.weight_error,
      report.trace.empty() ? "" : fmt::format(" after {} iterations", report.trace.size()));
  const double sgemm = report.sgemm_operations_per_second;
  if (options.rank > 0) {
    text += fmt::format(
        "low-rank fit     {:.3f} s, {:.1f} GFLOP/s in products with the matrix, {:.0f} % of "
        "sgemm\n",
        report.low_rank_seconds, report.low_rank_operations_per_second / kGiga,
        100.0 * report.low_rank_operations_per_second / sgemm);
  }
  text += fmt::format("sgemm            {:.1f} GFLOP/s, measured now", sgemm / kGiga);
  if (!with_iterations) return text;
  for (std::size_t i = 0; i < report.trace.size(); ++i) {
    text += fmt::format("\niteration {:>3}    {:.6f}", i + 1, report.trace[i]);
  }
  return text;
}

}  // namespace trine::cli
