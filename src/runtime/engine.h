// Logits from token ids and any source of weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "core/model_spec.h"
#include "models/weight_source.h"
#include "runtime/attention_block.h"
#include "runtime/compute.h"
#include "runtime/experts.h"
#include "runtime/gated_mlp.h"
#include "runtime/kv_cache.h"
#include "runtime/linear.h"
#include "runtime/norm.h"
#include "runtime/rope.h"

namespace trine::runtime {

/// Experts chosen in one forward call: per layer that has experts [tokens, experts_per_token],
/// best first.
using RoutingTrace = std::vector<Routing>;

/// A model ready to run. The weight source must outlive it. One caller at a time.
class Engine {
 public:
  [[nodiscard]] static Result<Engine> load(const ModelSpec& spec,
                                           const models::WeightSource& source,
                                           const kernels::KernelTable& table, int threads);

  /// Runs the steps of several sequences together and returns the hidden states after the final
  /// norm, [all new tokens in the order of steps, hidden_size]. `trace`, if given, receives the
  /// routing of every layer. kInvalidArgument for an empty step or a token id outside the
  /// vocabulary; then no cache has changed.
  [[nodiscard]] Result<std::vector<float>> forward(std::span<const SequenceStep> steps,
                                                   RoutingTrace* trace = nullptr);

  /// logits [num_rows, vocab_size] of hidden states [num_rows, hidden_size].
  [[nodiscard]] std::vector<float> logits(std::span<const float> hidden);

  /// From now on `observer` sees the inputs of every matrix; null: nobody does. It must outlive
  /// the calls of forward() and logits() that follow.
  void set_input_observer(InputObserver* observer) noexcept {
    compute_.set_input_observer(observer);
  }

  [[nodiscard]] const ModelSpec& spec() const noexcept { return spec_; }
  [[nodiscard]] int threads() const noexcept { return compute_.threads(); }
  [[nodiscard]] const kernels::KernelTable& kernels() const noexcept {
    return compute_.kernels();
  }
  /// Bytes of weights one decoded token needs (experts averaged): the work of the memory bus.
  [[nodiscard]] double active_bytes() const;

 private:
  struct Layer {
    Norm input_norm{}, post_attention_norm{};
    AttentionBlock attention{};
    std::optional<GatedMlp> dense{};
    std::optional<Experts> experts{};
  };
  struct Batch;  // what one forward call keeps between layers

  Engine(const ModelSpec& spec, const kernels::KernelTable& table, int threads);

  [[nodiscard]] static Result<Layer> load_layer(const ModelSpec& spec, std::size_t index,
                                                const models::WeightSource& source);
  [[nodiscard]] Status check_steps(std::span<const SequenceStep> steps) const;
  void embed(std::span<const SequenceStep> steps, Batch& batch);
  void run_layer(const Layer& layer, std::span<const SequenceStep> steps, Batch& batch,
                 RoutingTrace* trace);

  ModelSpec spec_;
  Compute compute_;
  RotaryTable rotary_;
  Linear embed_tokens_{};
  Norm final_norm_{};
  Linear lm_head_{};
  std::vector<Layer> layers_{};
};

}  // namespace trine::runtime
