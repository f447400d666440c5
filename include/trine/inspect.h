// What is in a model directory, original or compressed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <trine/result.h>
#include <vector>

namespace trine {

/// Where in the model a matrix lies.
struct MatrixPlace {
  bool is_encoder = false;  ///< in a layer of the encoder
  std::uint64_t layer = 0;
  std::optional<std::uint64_t> expert{};  ///< index of the routed expert it belongs to
  /// "gate_proj", "q_proj", …; "cross q_proj" in cross attention
  std::string projection{};
};

/// One weight matrix.
struct MatrixInspection {
  std::string name{};
  /// "attention", "latent", "dense", "expert", "shared_expert", "router", "position_bias",
  /// "embedding" or "head"
  std::string role{};
  std::uint64_t out_features = 0;
  std::uint64_t in_features = 0;
  std::string type{};                    ///< "BF16", "F32", … or "affine" for packed codes
  int bits = 0;                          ///< of one code when packed, of one number otherwise
  std::uint64_t group_size = 0;          ///< packed only
  int metadata_bits = 0;                 ///< packed only: of one scale or zero
  std::string quantizer{};               ///< packed only
  std::uint64_t rank = 0;                ///< of its compensator
  int factor_bits = 0;                   ///< of the compensator's factors
  std::optional<double> weight_error{};  ///< packed only: ‖W − Ŵ‖F / ‖W‖F
  std::uint64_t stored_bytes = 0;
  std::uint64_t codes_bytes = 0;       ///< packed only, padding included
  std::uint64_t scales_bytes = 0;      ///< packed only: scales and zeros
  std::uint64_t factors_bytes = 0;     ///< of the compensator, their scales included
  std::optional<MatrixPlace> place{};  ///< absent outside of layers: embedding, head
};

/// Sums over the matrices of one role.
struct RoleInspection {
  std::string role{};
  std::uint64_t num_matrices = 0;
  std::uint64_t num_weights = 0;
  std::uint64_t stored_bytes = 0;
};

/// How a packed model was made.
struct CompressionInspection {
  std::string preset{};                            ///< empty when a budget was asked for
  std::string allocator{};                         ///< who chose bits and ranks
  std::optional<double> budget_bits_per_weight{};  ///< the budget, if it was one
  std::optional<std::uint64_t> budget_bytes{};     ///< the same, of the whole model
  double bits_per_weight = 0.0;  ///< of the compressed matrices, everything stored counted
  double weight_error = 0.0;     ///< over all compressed matrices
  std::uint64_t original_bytes = 0;
  std::string trine_version{};
};

struct ModelInspection {
  std::string family{};
  std::uint64_t num_parameters = 0;
  std::uint64_t active_parameters =
      0;  ///< used per token, encoder included; embeddings count as one row
  std::uint64_t stored_bytes = 0;  ///< of all tensors
  std::uint64_t hidden_size = 0;
  std::uint64_t num_hidden_layers = 0;   ///< of the decoder
  std::uint64_t num_encoder_layers = 0;  ///< 0: decoder-only
  std::uint64_t num_attention_heads = 0;
  std::uint64_t num_key_value_heads = 0;
  std::uint64_t head_dim = 0;
  std::uint64_t num_experts = 0;
  std::uint64_t experts_per_token = 0;
  std::uint64_t moe_intermediate_size = 0;
  std::uint64_t vocab_size = 0;
  std::uint64_t max_position_embeddings = 0;
  std::optional<CompressionInspection> compression{};
  std::vector<RoleInspection> roles{};
  std::vector<MatrixInspection> matrices{};
};

/// Opens the model in `path` and describes it; weights are not read.
[[nodiscard]] Result<ModelInspection> inspect_model(const std::string& path);

}  // namespace trine
