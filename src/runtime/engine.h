// Logits from token ids and any source of weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "core/model_spec.h"
#include "models/weight_source.h"
#include "runtime/attention.h"
#include "runtime/compute.h"
#include "runtime/experts.h"
#include "runtime/kv_cache.h"
#include "runtime/linear.h"
#include "runtime/rope.h"

namespace trine::runtime {

/// New tokens of one sequence: a whole prompt (prefill) or one token (decode).
struct SequenceStep {
  std::span<const std::int32_t> token_ids{};
  KvCache* cache = nullptr;  ///< receives the tokens' keys and values
};

/// Experts chosen in one forward call: per layer [tokens, experts_per_token], best first.
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

  [[nodiscard]] const ModelSpec& spec() const noexcept { return spec_; }
  [[nodiscard]] int threads() const noexcept { return compute_.threads(); }
  [[nodiscard]] const kernels::KernelTable& kernels() const noexcept {
    return compute_.kernels();
  }
  /// Bytes of weights one decoded token needs (experts averaged): the work of the memory bus.
  [[nodiscard]] double active_bytes() const;

 private:
  struct Layer {
    std::vector<float> input_norm{};
    std::vector<float> post_attention_norm{};
    Linear q_proj{}, k_proj{}, v_proj{}, o_proj{};
    Experts experts{};
  };
  struct Batch;  // what one forward call keeps between layers

  Engine(const ModelSpec& spec, const kernels::KernelTable& table, int threads);

  [[nodiscard]] Status check_steps(std::span<const SequenceStep> steps) const;
  void embed(std::span<const SequenceStep> steps, Batch& batch) const;
  void run_attention(std::size_t layer, std::span<const SequenceStep> steps, Batch& batch);

  ModelSpec spec_;
  Compute compute_;
  RotaryTable rotary_;
  TensorView embed_tokens_{};
  std::vector<float> final_norm_{};
  Linear lm_head_{};
  std::vector<Layer> layers_{};
};

}  // namespace trine::runtime
