// What a model is, whatever its family: shapes, where its weights lie, rules of its layers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace trine {

/// What a matrix does; allocators and the compressor choose by it.
enum class MatrixRole {
  kAttention,
  kLatent,  ///< low-rank latents of multi-head latent attention
  kDense,   ///< feed-forward of a layer without experts
  kExpert,
  kSharedExpert,
  kRouter,
  kPositionBias,  ///< what a distance between two tokens adds to their attention
  kEmbedding,
  kHead,
};

/// The role as JSON and tables spell it, for example "shared_expert".
[[nodiscard]] const char* name_of(MatrixRole role) noexcept;

/// How numbers are written in the checkpoint.
enum class Encoding {
  kPlain,      ///< F32, F16 or BF16
  kFp8Blocks,  ///< E4M3 with one fp32 factor per 128 × 128 block, in a tensor of its own
  kMxfp4,      ///< E2M1 nibbles with one E8M0 exponent per 32 inputs, in a tensor of its own
};

/// "plain", "fp8" or "mxfp4".
[[nodiscard]] const char* name_of(Encoding encoding) noexcept;

/// Where a matrix or vector lies when it is not simply the tensor of its own name.
struct StoredAs {
  std::string tensor{};                ///< empty: the name of the matrix or vector
  std::optional<std::size_t> plane{};  ///< index on the first axis of a stacked tensor
  std::size_t first_row = 0;  ///< rows first_row, first_row + row_step, … of that plane
  std::size_t row_step = 1;
  std::size_t tensor_rows = 0;  ///< rows of the whole plane; 0: just those of the matrix
  bool is_transposed = false;   ///< the plane is [in_features, out_features]
  Encoding encoding = Encoding::kPlain;
  std::string scales{};        ///< tensor of factors or exponents
  std::size_t num_planes = 0;  ///< extent of the first axis when plane is set
};

/// A vector of weights: a norm, a bias, a sink per head. An empty name means there is none.
struct VectorSpec {
  std::string name{};
  std::size_t size = 0;
  StoredAs stored{};

  [[nodiscard]] bool exists() const noexcept { return !name.empty(); }
};

/// One weight matrix y = W·x (+ bias).
struct MatrixSpec {
  std::string name{};  ///< of its own, even when the checkpoint stacks it with others
  std::size_t out_features = 0;
  std::size_t in_features = 0;
  MatrixRole role = MatrixRole::kAttention;
  VectorSpec bias{};
  StoredAs stored{};

  [[nodiscard]] bool exists() const noexcept { return !name.empty(); }
};

/// Root-mean-square norm, or layer norm when there is a bias.
struct NormSpec {
  VectorSpec weight{};
  VectorSpec bias{};
  std::optional<double> eps{};  ///< absent: the model's norm_eps
};

/// Rotary embedding of one model; models/rope_scaling.h fills it for every scaling there is.
struct RopeSpec {
  std::size_t rotary_dim = 0;        ///< leading part of each head that is turned
  bool is_interleaved = false;       ///< pairs (2i, 2i+1) instead of (i, i + rotary_dim/2)
  std::vector<float> frequencies{};  ///< radians per position, rotary_dim/2
  float attention_factor = 1.0f;     ///< cosines and sines are multiplied by it
  /// Sequences longer than this use the long frequencies or dynamic scaling; 0: never.
  std::size_t original_positions = 0;
  std::vector<float> long_frequencies{};
  float long_attention_factor = 1.0f;
  double dynamic_theta = 0.0;  ///< > 0: base of dynamic NTK scaling beyond original_positions
  double dynamic_factor = 1.0;
};

/// Multi-head latent attention (DeepSeek-V2): keys and values come from a small latent.
struct LatentSpec {
  MatrixSpec q_a_proj{};  ///< absent: q_proj is used directly
  NormSpec q_a_norm{};
  MatrixSpec kv_a_proj{};  ///< [kv_lora_rank + qk_rope_head_dim, hidden_size]
  NormSpec kv_a_norm{};
  MatrixSpec kv_b_proj{};  ///< [heads · (qk_nope_head_dim + v_head_dim), kv_lora_rank]
  std::size_t kv_lora_rank = 0;
  std::size_t qk_nope_head_dim = 0;
  std::size_t qk_rope_head_dim = 0;
};

/// Relative position bias (T5): a number per head for each bucket of distances, added to the scores
/// of every layer of a stack. runtime/relative_bias.h says which distances share a bucket.
/// Source: Raffel et al. 2019, arXiv:1910.10683, section 2.1.
struct RelativeBiasSpec {
  MatrixSpec table{};  ///< [num_buckets, num_attention_heads]
  /// Even; half of them are for keys after the query where such keys are seen (an encoder).
  std::size_t num_buckets = 0;
  std::size_t max_distance = 0;  ///< from here on all distances share the last bucket
};

struct AttentionSpec {
  MatrixSpec q_proj{};  ///< [heads · head_dim, hidden_size], or q_b_proj from the latent
  MatrixSpec k_proj{};  ///< [num_key_value_heads · head_dim, hidden_size]; absent with a latent
  MatrixSpec v_proj{};
  MatrixSpec o_proj{};  ///< [hidden_size, heads · v_head_dim]
  NormSpec q_norm{};    ///< absent in most families
  NormSpec k_norm{};
  bool norm_is_per_head = true;                 ///< else over the whole projection
  std::optional<double> clip_qkv{};             ///< q, k, v are limited to ± this
  VectorSpec sinks{};                           ///< one logit per head that takes probability
  std::optional<std::size_t> sliding_window{};  ///< positions a token sees, itself included
  double softmax_scale = 0.0;
  std::optional<LatentSpec> latent{};
};

/// Attention of a decoder to what the encoder made of the input: every token sees all of it, and
/// nothing tells positions apart. Heads are as many and as wide as those of the model.
struct CrossAttentionSpec {
  NormSpec norm{};      ///< before it, [hidden_size]
  MatrixSpec q_proj{};  ///< of the decoder's stream, [heads · head_dim, hidden_size]
  MatrixSpec k_proj{};  ///< of the encoder's output, as v_proj
  MatrixSpec v_proj{};
  MatrixSpec o_proj{};
  double softmax_scale = 0.0;
};

/// The nonlinearity between gate, up and down.
enum class Activation {
  kSilu,          ///< silu(gate) · up
  kClampedSwish,  ///< gate ≤ limit, |up| ≤ limit: gate · σ(1.702 · gate) · (up + 1) (GPT-OSS)
  kRelu,          ///< max(gate, 0) · up
};

/// y = down_proj · activation(gate_proj · x, up_proj · x). Without gate_proj there is nothing to
/// multiply with: y = down_proj · activation(up_proj · x, 1).
struct ExpertSpec {
  MatrixSpec gate_proj{};  ///< as up_proj, or absent
  MatrixSpec up_proj{};    ///< [intermediate size, hidden_size]
  MatrixSpec down_proj{};  ///< [hidden_size, intermediate size]
};

/// How router logits become experts and weights.
enum class RoutingRule {
  kSoftmaxTopK,    ///< softmax over all experts, then the k largest
  kTopKSoftmax,    ///< the k largest logits, then softmax over them
  kSigmoidBiased,  ///< sigmoid; selection by score + bias, weights without it (DeepSeek-V3)
  kSparseMixer,    ///< two masked softmaxes (Phi-3.5-MoE)
};

/// What a group of experts counts for when groups are chosen first.
enum class GroupScore { kMax, kTopTwoSum };

struct RouterSpec {
  MatrixSpec matrix{};  ///< [num_experts, hidden_size]
  RoutingRule rule = RoutingRule::kSoftmaxTopK;
  std::size_t experts_per_token = 0;
  bool renormalises = false;    ///< chosen weights are divided by their sum
  double scaling_factor = 1.0;  ///< chosen weights are multiplied by it
  VectorSpec selection_bias{};
  std::size_t num_groups = 1;        ///< experts fall into this many equal groups
  std::size_t groups_per_token = 1;  ///< only experts of the best groups can be chosen
  GroupScore group_score = GroupScore::kMax;
  double jitter = 0.0;  ///< SparseMixer's relative threshold, half of it
};

struct MoeSpec {
  RouterSpec router{};
  std::vector<ExpertSpec> experts{};
  std::optional<ExpertSpec> shared_expert{};  ///< runs for every token
  MatrixSpec shared_expert_gate{};  ///< [1, hidden_size]; its sigmoid scales the shared expert
};

struct LayerSpec {
  NormSpec input_norm{};           ///< before attention, [hidden_size]
  NormSpec post_attention_norm{};  ///< before the feed-forward, [hidden_size]
  AttentionSpec attention{};
  std::optional<CrossAttentionSpec> cross_attention{};  ///< in a decoder that has an encoder
  std::optional<ExpertSpec> dense{};                    ///< exactly one of dense and moe
  std::optional<MoeSpec> moe{};
};

/// The half of an encoder–decoder model that reads the input. Its tokens see all of the input, and
/// every cross attention of the decoder looks at its output.
struct EncoderSpec {
  std::vector<LayerSpec> layers{};
  NormSpec final_norm{};
  std::optional<RelativeBiasSpec> relative_bias{};
  std::int32_t decoder_start_token = 0;  ///< what the decoder is given first
};

/// Field names follow config.json.
struct ModelSpec {
  std::string family{};
  std::size_t hidden_size = 0;
  std::size_t vocab_size = 0;
  std::size_t num_attention_heads = 0;
  std::size_t num_key_value_heads = 0;
  std::size_t head_dim = 0;    ///< of queries and keys
  std::size_t v_head_dim = 0;  ///< of values
  std::size_t max_position_embeddings = 0;
  double norm_eps = 0.0;
  RopeSpec rope{};  ///< without frequencies nothing is turned
  std::optional<RelativeBiasSpec> relative_bias{};
  Activation activation = Activation::kSilu;
  double activation_limit = 0.0;  ///< of kClampedSwish
  double embedding_multiplier = 1.0;
  double residual_multiplier = 1.0;  ///< of attention and feed-forward outputs
  double logits_divisor = 1.0;

  MatrixSpec embed_tokens{};  ///< [vocab_size, hidden_size], a table of rows
  NormSpec final_norm{};
  MatrixSpec lm_head{};  ///< the embedding's name when the two are tied
  std::vector<LayerSpec> layers{};
  std::optional<EncoderSpec> encoder{};  ///< absent in decoder-only models
};

/// Every layer, those of the encoder first.
[[nodiscard]] std::vector<const LayerSpec*> all_layers(const ModelSpec& spec);

/// The matrices compression applies to, in the order a forward pass meets them: attention, cross
/// attention, dense feed-forwards, shared and routed experts. Routers, latents, position biases,
/// embeddings and the head keep their 16 bits, vectors theirs.
[[nodiscard]] std::vector<const MatrixSpec*> compressible_matrices(const ModelSpec& spec);

/// Every matrix of the model, tied ones once.
[[nodiscard]] std::vector<const MatrixSpec*> all_matrices(const ModelSpec& spec);

/// Every vector of the model, biases included.
[[nodiscard]] std::vector<const VectorSpec*> all_vectors(const ModelSpec& spec);

/// Name of the tensor a matrix or vector lies in.
[[nodiscard]] const std::string& tensor_of(const MatrixSpec& matrix) noexcept;
[[nodiscard]] const std::string& tensor_of(const VectorSpec& vector) noexcept;

}  // namespace trine
