#include "cli/bench_layer.h"

#include <fmt/format.h>

namespace trine::cli {
namespace {

constexpr double kGigabyte = 1e9, kMegabyte = 1e6;

Json experts_json(const std::vector<LayerExpert>& experts) {
  Json list = Json::array();
  for (const LayerExpert& expert : experts) {
    list.push_back(
        {{"bits", expert.bits}, {"rank", expert.rank}, {"stored_bytes", expert.stored_bytes}});
  }
  return list;
}

Json figures_json(const LayerFigures& figures) {
  return {{"seconds", figures.seconds},
          {"active_bytes", figures.active_bytes},
          {"bytes_per_second", figures.bytes_per_second},
          {"read_share", figures.read_share},
          {"read_share_quartiles",
           {figures.read_share_first_quartile, figures.read_share_third_quartile}}};
}

Json layer_row_json(const LayerRow& row) {
  return {{"batch", row.batch},
          {"threads", row.threads},
          {"steps", row.steps},
          {"read_bandwidth_bytes_per_second", row.read_bandwidth},
          {"mixed", figures_json(row.mixed)},
          {"uniform", figures_json(row.uniform)},
          {"time_per_byte_ratio", row.time_per_byte},
          {"time_per_byte_ratio_quartiles",
           {row.time_per_byte_first_quartile, row.time_per_byte_third_quartile}}};
}

/// Mixed bytes over uniform bytes, less one.
double difference_of(const LayerReport& report) {
  return static_cast<double>(report.mixed_bytes) / static_cast<double>(report.uniform_bytes) -
         1.0;
}

/// "2/64 4/0 …": bits and rank of each.
std::string experts_text(const std::vector<LayerExpert>& experts) {
  constexpr std::size_t kMostShown = 8;
  std::string text;
  for (std::size_t i = 0; i < std::min(experts.size(), kMostShown); ++i) {
    text += fmt::format("{}{}/{}", i > 0 ? " " : "", experts[i].bits, experts[i].rank);
  }
  return text + (experts.size() > kMostShown ? " …" : "");
}

std::string layer_line(std::string_view layer, const LayerRow& row, const LayerFigures& figures,
                       const std::string& ratio) {
  return fmt::format(
      "{:<7} {:>5} {:>7} {:>9.3f} {:>8.1f} {:>6.1f} {:>6.1f} {:>7.1f} {:>13} {:>9}\n", layer,
      row.batch, row.threads, 1e3 * figures.seconds, figures.active_bytes / kMegabyte,
      figures.bytes_per_second / kGigabyte, row.read_bandwidth / kGigabyte,
      100.0 * figures.read_share,
      fmt::format("{:.1f} to {:.1f}", 100.0 * figures.read_share_first_quartile,
                  100.0 * figures.read_share_third_quartile),
      ratio);
}

}  // namespace

Json to_json(const LayerReport& report, const LayerBenchOptions& options) {
  Json rows = Json::array();
  for (const LayerRow& row : report.rows) rows.push_back(layer_row_json(row));
  return {{"isa", report.isa},
          {"threads", report.threads},
          {"hidden_size", options.hidden_size},
          {"intermediate_size", options.intermediate_size},
          {"num_experts", options.num_experts},
          {"experts_per_token", options.experts_per_token},
          {"group_size", options.group_size},
          {"metadata_bits", options.metadata_bits},
          {"activations", options.activations},
          {"mixed_experts", experts_json(report.mixed)},
          {"uniform_experts", experts_json(report.uniform)},
          {"mixed_bytes", report.mixed_bytes},
          {"uniform_bytes", report.uniform_bytes},
          {"bytes_difference", difference_of(report)},
          {"read_buffer_bytes", report.read_buffer_bytes},
          {"rows", std::move(rows)}};
}

std::string to_text(const LayerReport& report, const LayerBenchOptions& options) {
  std::string text = fmt::format(
      "{}, {} experts of {}x{}, {} per token, groups of {}, scales and zeros of {} bits, "
      "activations of {}\n"
      "mixed    {}, bits/rank {}\n"
      "uniform  {}, bits/rank {}, {:.2f} % from mixed\n"
      "% read: share of each step in plain reads right before and after it, median and "
      "quartiles;\n"
      "time/byte: mixed over uniform, of steps that follow each other, median\n\n",
      report.isa, options.num_experts, options.intermediate_size, options.hidden_size,
      options.experts_per_token, options.group_size, options.metadata_bits, options.activations,
      format_bytes(static_cast<double>(report.mixed_bytes)), experts_text(report.mixed),
      format_bytes(static_cast<double>(report.uniform_bytes)),
      experts_text({report.uniform.front()}), 100.0 * difference_of(report));
  text += fmt::format("{:<7} {:>5} {:>7} {:>9} {:>8} {:>6} {:>6} {:>7} {:>13} {:>9}\n", "layer",
                      "batch", "threads", "ms", "MB", "GB/s", "read", "% read", "half within",
                      "time/byte");
  for (const LayerRow& row : report.rows) {
    text += layer_line("mixed", row, row.mixed, fmt::format("{:.3f}", row.time_per_byte));
    text += layer_line("uniform", row, row.uniform, "1");
  }
  text.pop_back();
  return text;
}

}  // namespace trine::cli
