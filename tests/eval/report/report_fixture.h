// A made-up model whose matrices differ in everything a report shows.
#pragma once

#include <fmt/format.h>

#include <string>

#include "eval/report/report_data.h"

namespace trine::testing_support {

/// A name that would break a page, a script, an attribute and a table's cell.
inline const std::string kHostileName =
    "</script><img src=x onerror=alert(1)>&\"'{{style}}]]>\xE2\x80\xAE\xFF\n";

/// An original: two layers of four experts, nothing compressed.
inline eval::report::ReportData plain_data() {
  eval::report::ReportData data{.model = "plain",
                                .family = "mixtral",
                                .trine_version = "1.2.3",
                                .num_parameters = 5 * 64 * 64,
                                .num_layers = 2,
                                .num_experts = 4,
                                .experts_per_token = 2,
                                .stored_bytes = 40'000};
  for (std::size_t i = 0; i < 5; ++i) {
    data.matrices.push_back({.name = fmt::format("matrix.{}", i),
                             .role = i == 4 ? "attention" : "expert",
                             .place = eval::report::Place{.layer = i / 2},
                             .out_features = 64,
                             .in_features = 64,
                             .type = "BF16",
                             .bits = 16,
                             .unpacked_bytes = 8192});
    if (i < 4) data.matrices.back().place->expert = i;
    data.matrices.back().place->projection = i == 4 ? "q_proj" : "up_proj";
  }
  return data;
}

/// Everything there can be, mixed bits and ranks, hostile names.
inline eval::report::ReportData full_data() {
  eval::report::ReportData data = plain_data();
  data.model = kHostileName;
  data.compression = {.preset = kHostileName,
                      .allocator = "error",
                      .budget_bits_per_weight = 2.5,
                      .bits_per_weight = 2.493,
                      .weight_error = 0.21,
                      .original_bytes = 80'000,
                      .trine_version = "1.2.2"};
  data.reference = kHostileName;
  data.quality = {.text = kHostileName,
                  .protocol = "disjoint",
                  .window = 256,
                  .scored_tokens = 1020,
                  .windows = 4,
                  .perplexity = {41.5, 3.5},
                  .original_perplexity = {{40.25, 3.25}},
                  .kl_divergence = {{0.0125, 0.0005}},
                  .top1_agreement = {{0.9, 0.01}},
                  .routing_agreement = {{0.97, 0.001}}};
  for (std::size_t i = 0; i < data.matrices.size(); ++i) {
    eval::report::Matrix& matrix = data.matrices[i];
    matrix.name += kHostileName;
    matrix.is_packed = true;
    matrix.type = "affine";
    matrix.quantizer = "hqq";
    matrix.group_size = 64;
    matrix.bits = static_cast<int>(2 + i % 3);
    matrix.rank = 16 * (i % 3);
    matrix.factor_bits = 3;
    matrix.weight_error = 0.1 * static_cast<double>(i + 1);
    matrix.squared_norm = 1.0;
    matrix.excess_kurtosis = static_cast<double>(i) - 1.0;
    matrix.max_row_variance = 1e-4 * static_cast<double>(i + 1);
    matrix.unpacked_bytes = 0;
    matrix.codes_bytes = 512u * static_cast<unsigned>(matrix.bits);
    matrix.scales_bytes = 256;
    matrix.factors_bytes = 64 * matrix.rank;
    data.curves.push_back({matrix.name, 0, {0.5, 0.4, 0.1 * static_cast<double>(i + 1)}});
  }
  data.vectors_bytes = 512;
  data.layer_experts = {{.layer = 0,
                         .router_norms = {1.0, 2.0, 3.0, 4.0},
                         .router_norm_changes = {-0.5, 0.25, 0.5, 1.0},
                         .use = {0.5, 0.5, 0.25, 0.75}}};
  return data;
}

}  // namespace trine::testing_support
