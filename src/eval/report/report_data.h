// What a report shows. Plain numbers and strings: whoever fills this in has opened the model,
// nobody here does.
//
// Strings may hold anything: names come from files somebody else wrote.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace trine::eval::report {

/// A mean and its standard error.
struct Figure {
  double value = 0.0;
  double standard_error = 0.0;
};

/// What running a text showed.
struct Quality {
  std::string text{};      ///< name of the text
  std::string protocol{};  ///< of the windows: "disjoint", "sliding" or "halves"
  std::size_t window = 0;  ///< tokens
  std::uint64_t scored_tokens = 0;
  std::uint64_t windows = 0;
  Figure perplexity{};
  std::optional<Figure> original_perplexity{};
  std::optional<Figure> kl_divergence{};  ///< nats per token, original ‖ model
  std::optional<Figure> top1_agreement{};
  std::optional<Figure> routing_agreement{};
};

/// Where a matrix lies. Matrices without a layer (embedding, head) are in no heat map.
struct Place {
  bool is_encoder = false;
  std::size_t layer = 0;
  std::optional<std::size_t> expert{};  ///< index of a routed expert
  std::string projection{};             ///< "gate_proj"; of one expert or column each once
};

struct Matrix {
  std::string name{};
  std::string role{};  ///< "attention", "expert", … as in trine/inspect.h
  std::optional<Place> place{};
  std::uint64_t out_features = 0;
  std::uint64_t in_features = 0;
  std::string type{};      ///< "BF16", …, or "affine" for packed codes
  bool is_packed = false;  ///< the five fields below are only of packed matrices
  std::string quantizer{};
  std::uint64_t group_size = 0;
  std::uint64_t rank = 0;  ///< 0: no compensator
  int factor_bits = 0;
  std::optional<double> weight_error{};
  int bits = 0;  ///< of one code, or of one number when not packed
  /// ‖W‖F², excess kurtosis and largest variance of a row, of the original.
  std::optional<double> squared_norm{};
  std::optional<double> excess_kurtosis{};
  std::optional<double> max_row_variance{};
  std::uint64_t codes_bytes = 0;
  std::uint64_t scales_bytes = 0;  ///< and zeros
  std::uint64_t factors_bytes = 0;
  std::uint64_t unpacked_bytes = 0;  ///< all of a matrix that is not packed

  [[nodiscard]] std::uint64_t num_weights() const noexcept {
    return out_features * in_features;
  }
  [[nodiscard]] std::uint64_t stored_bytes() const noexcept {
    return codes_bytes + scales_bytes + factors_bytes + unpacked_bytes;
  }
};

/// What is known of the experts of one layer of the decoder, one number per expert each; a list
/// that is not known is empty.
struct LayerExperts {
  std::size_t layer = 0;
  std::vector<double> router_norms{};
  std::vector<double> router_norm_changes{};
  std::vector<double> use{};  ///< share of the layer's tokens, in [0, 1]
};

/// The error of one matrix after each iteration of its compensator.
struct Curve {
  std::string matrix{};
  std::uint64_t first_iteration = 0;
  std::vector<double> relative_errors{};  ///< never empty
};

struct ReportData {
  std::string model{};
  std::string family{};
  std::string trine_version{};  ///< of the program that writes the report
  std::uint64_t num_parameters = 0;
  std::uint64_t active_parameters = 0;
  std::uint64_t num_layers = 0;  ///< of encoder and decoder
  std::uint64_t num_experts = 0;
  std::uint64_t experts_per_token = 0;
  std::uint64_t stored_bytes = 0;
  std::uint64_t vectors_bytes = 0;  ///< norms, biases: what is no matrix

  /// How it was compressed; absent for an original.
  struct Compression {
    std::string preset{};
    std::string allocator{};
    std::optional<double> budget_bits_per_weight{};
    std::optional<std::uint64_t> budget_bytes{};
    double bits_per_weight = 0.0;  ///< of the compressed matrices, everything stored counted
    double weight_error = 0.0;
    std::uint64_t original_bytes = 0;
    std::string trine_version{};  ///< of the program that compressed it
  };
  std::optional<Compression> compression{};

  std::string reference{};  ///< name of the original it was compared with; empty: none
  std::optional<Quality> quality{};
  std::vector<Matrix> matrices{};
  std::vector<LayerExperts> layer_experts{};
  std::vector<Curve> curves{};
};

}  // namespace trine::eval::report
