// One layer of the original and of the packed model side by side, with the errors between them.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "eval/certificate_tally.h"
#include "runtime/attention_block.h"
#include "runtime/experts.h"
#include "runtime/feed_forward.h"
#include "runtime/linear.h"
#include "runtime/norm.h"

namespace trine::eval {

/// The two models a certificate compares. Both outlive it.
struct ModelPair {
  const ModelSpec& spec;
  const models::WeightSource& original;
  const models::WeightSource& packed;
};

/// How bounds are computed.
struct BoundSettings {
  double row_factor = 0.0;    ///< deviation_factor() of the stated probability, for one row
  double union_factor = 0.0;  ///< for all rows of a window together
  double scale = 1.0;         ///< other than 1 only to show that a bound too small is found out
  int threads = 1;
};

/// One matrix in both forms.
struct MatrixPair {
  runtime::Linear original{}, packed{};
  MatrixErrors errors{};

  [[nodiscard]] static Result<MatrixPair> load(const MatrixSpec& spec, const ModelPair& models,
                                               std::size_t num_parts,
                                               const BoundSettings& settings);
};

/// Both outputs of a matrix for the original's inputs, and the bounds, checked row by row.
struct BoundedOutputs {
  std::vector<float> original{};  ///< [tokens, rows]
  std::vector<float> packed{};    ///< the same of the packed matrix
  InputSizes inputs{};
  RowBounds rows{};  ///< probabilistic: for all rows of a window together

  /// The outputs a bound of `kind` is a distance from.
  [[nodiscard]] const std::vector<float>& center(BoundKind kind) const noexcept {
    return kind == kBlockBound ? packed : original;
  }
};
[[nodiscard]] BoundedOutputs bound_outputs(runtime::Compute& compute, const MatrixPair& matrix,
                                           const float* inputs, std::size_t num_tokens,
                                           const BoundSettings& settings, RowTally& tally);

/// A norm before a block: how its output moves.
class BoundedNorm {
 public:
  [[nodiscard]] static Result<BoundedNorm> load(const NormSpec& spec, double eps,
                                                const models::WeightSource& source);
  [[nodiscard]] const runtime::Norm& norm() const noexcept { return norm_; }
  [[nodiscard]] const std::vector<float>& weight() const noexcept { return weight_; }
  [[nodiscard]] double largest_weight() const noexcept { return largest_weight_; }

  /// Change of the normalized vector before the weights, for a stream known up to `radius`.
  [[nodiscard]] double radius_before_weights(const float* stream, double radius) const;
  /// The same between two known streams.
  [[nodiscard]] double distance_before_weights(const float* left, const float* right) const;
  /// Largest length of any output.
  [[nodiscard]] double largest_output() const;

 private:
  /// What is taken from every element, and ‖(h, √(d·ε))‖ of what remains.
  struct Moments {
    double mean = 0.0, length = 0.0;
  };
  [[nodiscard]] Moments moments_of(const float* stream) const;
  /// Of a norm's outputs before the weights, both sides together.
  [[nodiscard]] double rounding() const;

  runtime::Norm norm_{};
  std::vector<float> weight_{}, bias_{};
  double largest_weight_ = 0.0;
  double eps_ = 0.0;
};

/// A matrix whose outputs decide: the router, or the head. Kept in 16 bits.
struct DecidingMatrix {
  runtime::Linear linear{};
  std::vector<float> scaled{};      ///< rows times the weights of the norm before
  std::vector<double> lengths{};    ///< ‖scaled row‖
  std::vector<double> roundings{};  ///< of one output, per length of the input

  [[nodiscard]] static Result<DecidingMatrix> load(const MatrixSpec& spec,
                                                   const BoundedNorm& norm,
                                                   const models::WeightSource& source,
                                                   int threads);
  /// ‖scaled row a − scaled row b‖.
  [[nodiscard]] double distance(std::size_t a, std::size_t b) const;
};

struct ExpertPair {
  MatrixPair gate{}, up{}, down{};
};

/// The blocks of one layer as both models run them, and every matrix of them.
struct LayerPair {
  BoundedNorm input_norm{}, post_attention_norm{};
  std::array<runtime::AttentionBlock, 2> attention{};          ///< original, packed
  std::array<std::optional<runtime::Experts>, 2> experts{};    ///< either these
  std::array<std::optional<runtime::FeedForward>, 2> dense{};  ///< or these
  MatrixPair q_proj{}, k_proj{}, v_proj{}, o_proj{};
  std::vector<ExpertPair> expert_pairs{};  ///< one for a dense layer
  std::optional<ExpertPair> shared{};      ///< runs for every token
  runtime::Linear shared_gate{};           ///< may be absent; kept in 16 bits
  double shared_gate_length = 0.0;         ///< ‖its row‖
  DecidingMatrix router{};                 ///< absent in a dense layer
  RouterSpec rule{};

  [[nodiscard]] static Result<LayerPair> load(const ModelPair& models, std::size_t layer,
                                              const BoundSettings& settings);
};

}  // namespace trine::eval
