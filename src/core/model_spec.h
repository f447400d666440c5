// What a model is, whatever its family: shapes, names of its tensors, rules of its layers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace trine {

/// What a matrix does; allocators and the compressor choose by it.
enum class MatrixRole { kAttention, kExpert, kRouter, kEmbedding, kHead };

/// One weight matrix y = W·x as named in the checkpoint.
struct MatrixSpec {
  std::string name{};
  std::size_t out_features = 0;
  std::size_t in_features = 0;
  MatrixRole role = MatrixRole::kAttention;
};

struct AttentionSpec {
  MatrixSpec q_proj{};  ///< [num_attention_heads · head_dim, hidden_size]
  MatrixSpec k_proj{};  ///< [num_key_value_heads · head_dim, hidden_size]
  MatrixSpec v_proj{};  ///< as k_proj
  MatrixSpec o_proj{};  ///< [hidden_size, num_attention_heads · head_dim]
};

/// y = down_proj · (silu(gate_proj · x) ⊙ up_proj · x)
struct ExpertSpec {
  MatrixSpec gate_proj{};  ///< [moe_intermediate_size, hidden_size]
  MatrixSpec up_proj{};    ///< as gate_proj
  MatrixSpec down_proj{};  ///< [hidden_size, moe_intermediate_size]
};

struct MoeSpec {
  MatrixSpec router{};  ///< [num_experts, hidden_size]
  std::vector<ExpertSpec> experts{};
  std::size_t experts_per_token = 0;
};

struct LayerSpec {
  std::string input_norm{};           ///< RMSNorm weight before attention, [hidden_size]
  std::string post_attention_norm{};  ///< RMSNorm weight before the experts, [hidden_size]
  AttentionSpec attention{};
  MoeSpec moe{};
};

/// Field names follow config.json.
struct ModelSpec {
  std::string family{};
  std::size_t hidden_size = 0;
  std::size_t vocab_size = 0;
  std::size_t num_attention_heads = 0;
  std::size_t num_key_value_heads = 0;
  std::size_t head_dim = 0;
  std::size_t max_position_embeddings = 0;
  double rms_norm_eps = 0.0;
  double rope_theta = 0.0;
  std::optional<std::size_t>
      sliding_window{};  ///< a token sees this many positions, itself too

  MatrixSpec embed_tokens{};  ///< [vocab_size, hidden_size], a table of rows
  std::string final_norm{};
  MatrixSpec lm_head{};  ///< the embedding's name when the two are tied
  std::vector<LayerSpec> layers{};
};

/// The matrices compression applies to, in the order a forward pass meets them: attention and
/// experts. Routers, norms, embeddings and the head keep their 16 bits.
[[nodiscard]] std::vector<const MatrixSpec*> compressible_matrices(const ModelSpec& spec);

/// Every vector of the model (norm weights), by name; all have hidden_size elements.
[[nodiscard]] std::vector<std::string> norm_names(const ModelSpec& spec);

/// Every matrix of the model, tied ones once.
[[nodiscard]] std::vector<const MatrixSpec*> all_matrices(const ModelSpec& spec);

}  // namespace trine
