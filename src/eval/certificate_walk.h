// A batch of windows through both models, layer by layer, with the bounds carried along.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/random.h"
#include "eval/certificate.h"
#include "eval/certificate_blocks.h"
#include "runtime/kv_cache.h"
#include "runtime/rope.h"
#include "runtime/sequence_step.h"

namespace trine::eval {

/// All layers of both models, and the head.
struct CertifiedModel {
  const ModelSpec& spec;
  std::vector<LayerPair> layers{};
  runtime::Linear embed_tokens{};
  BoundedNorm final_norm{};
  DecidingMatrix head{};

  [[nodiscard]] static Result<CertifiedModel> load(const ModelPair& models,
                                                   const BoundSettings& settings);
};

/// The packed model's hidden states from some point of the original's on, as observed, and the
/// radii of balls around the original's that hold them.
struct Track {
  std::vector<float> stream{};
  Radii radii{};  ///< kStateBound: what is observed
};

/// Over the experts of one token: sums by routing weight, and the largest.
struct ExpertSums {
  double change = 0.0, largest_change = 0.0;
  double length = 0.0;          ///< of the original's outputs
  double largest_length = 0.0;  ///< of the outputs the change is from
  double shared_change = 0.0;   ///< of the shared expert, its gate included
  double shared_length = 0.0;   ///< of the original's
};
using SumsOfTokens = std::vector<std::array<ExpertSums, kCarriedKinds>>;

/// Fixed before any text is seen, so that the drawn tokens are the same for every model.
inline constexpr std::uint64_t kDrawSeed = 1;

class CertificateWalk {
 public:
  CertificateWalk(const CertifiedModel& model, const kernels::KernelTable& table,
                  const BoundSettings& settings, Certificate& certificate);

  /// Runs the windows and adds to the certificate.
  void run(std::span<const std::span<const std::int32_t>> windows);

 private:
  /// Where the packed model leaves the original: at the entrance of every layer, behind every
  /// router, at the embedding.
  enum TrackName : std::size_t { kLayer, kNext, kFull, kTracks };

  void embed(std::span<const std::span<const std::int32_t>> windows);
  /// The packed model takes over from the original's hidden states.
  void restart(TrackName track);
  [[nodiscard]] std::vector<float> attend(const LayerPair& layer, std::size_t side,
                                          const std::vector<float>& normed,
                                          std::vector<float>* attended);
  void attention_block(std::size_t index);
  /// Original's routing, and what is certified about it on every track.
  void decide_routing(std::size_t index);
  void expert_block(std::size_t index);
  [[nodiscard]] std::vector<Radii> bound_experts(const LayerPair& layer,
                                                 const std::vector<float>& inputs,
                                                 std::span<const TrackName> tracks);
  /// What was observed on the original's states becomes part of the block bound, and is the state
  /// bound of a block. @param changes first: of the track that gets the original's states.
  void add_observed(const std::vector<float>& packed, const std::vector<float>& original,
                    std::span<Radii> changes) const;
  /// The sigmoids a shared expert is multiplied by, on the original's inputs; 1 without a gate.
  [[nodiscard]] std::vector<double> shared_gates(const LayerPair& layer,
                                                 const std::vector<float>& inputs);
  void add_shared(const LayerPair& layer, const std::vector<float>& inputs,
                  std::span<const Radii> moved, std::vector<SumsOfTokens>& sums);
  [[nodiscard]] double combine_shared(const LayerPair& layer, double roundings,
                                      const ExpertSums& sums) const;
  /// From the weighted sums over a token's experts to what the block's output can change by.
  [[nodiscard]] double combine_experts(const LayerPair& layer, TrackName track,
                                       std::size_t token, BoundKind kind,
                                       const ExpertSums& sums) const;
  void head();
  void decide_tokens(TrackName track, std::size_t first, const std::vector<float>& logits,
                     const std::vector<float>& packed_logits, const Radii& radii);

  [[nodiscard]] std::vector<float> normed(const BoundedNorm& norm,
                                          const std::vector<float>& stream) const;
  /// Radii of the norm's outputs for the track, weights included or not.
  [[nodiscard]] Radii normed_radii(const BoundedNorm& norm, TrackName track,
                                   bool with_weights) const;
  void add(const std::vector<float>& outputs, std::vector<float>& stream) const;
  /// The track's stream takes in a block's outputs; its radii grow by `changes`.
  void advance(TrackName track, const std::vector<float>& outputs, const Radii& changes,
               const std::vector<float>& original_outputs);
  /// The track's state bound becomes its distance from the original's stream.
  void observe_state(TrackName track);
  /// ‖packed − original‖ of one token's vectors.
  [[nodiscard]] double observed_change(const std::vector<float>& packed,
                                       const std::vector<float>& original,
                                       std::size_t token) const;
  /// Adds one norm of change per token to `tally`.
  void count_change(const std::vector<float>& observed, const std::vector<float>& original,
                    const Radii& bounds, ChangeTally& tally);
  void flag(std::size_t token);
  /// Shares of this batch's windows, for statements about other windows.
  void count_agreement();

  const CertifiedModel& model_;
  runtime::Compute compute_;
  runtime::RotaryTable rotary_;
  BoundSettings settings_;
  Certificate& certificate_;

  std::size_t hidden_ = 0;
  std::vector<std::span<const std::int32_t>> tokens_{};
  std::vector<WindowRows> windows_{};
  std::vector<std::size_t> window_of_{};  ///< by token
  std::vector<bool> has_exceeded_{};      ///< by window
  std::vector<float> stream_{};           ///< of the original
  /// By token, everything packed: the same most likely token, the same experts in every layer.
  std::vector<bool> same_top1_{}, same_experts_{};
  base::Random draws_{kDrawSeed};  ///< one token of every window
  std::array<Track, kTracks> tracks_{};
  runtime::Routing routing_{};  ///< the original's in the current layer
  /// Per token and kind, on the full track: is the routing proven unchanged, and by how much can
  /// router logits move?
  std::vector<std::array<bool, kBoundKinds>> full_certified_{};
  Radii full_logit_changes_{};
};

}  // namespace trine::eval
