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
#include "runtime/compute.h"
#include "runtime/kv_cache.h"
#include "runtime/layer_stack.h"
#include "runtime/linear.h"
#include "runtime/rope.h"
#include "runtime/sequence_step.h"

namespace trine::runtime {

/// A model ready to run. The weight source must outlive it. One caller at a time.
class Engine {
 public:
  [[nodiscard]] static Result<Engine> load(const ModelSpec& spec,
                                           const models::WeightSource& source,
                                           const kernels::KernelTable& table, int threads);

  /// Runs the steps of several sequences together and returns the hidden states after the final
  /// norm, [all new tokens in the order of steps, hidden_size]. kInvalidArgument for an empty step,
  /// a token id outside the vocabulary, or a cache without the encoded input its model needs; then
  /// no cache has changed.
  [[nodiscard]] Result<std::vector<float>> forward(std::span<const SequenceStep> steps,
                                                   const RoutingUse& routing = {});

  /// Encoder–decoder models: runs whole inputs through the encoder and leaves in each step's cache
  /// what the decoder will look at; its own tokens then come with forward(), the first of them
  /// EncoderSpec::decoder_start_token. `routing` is that of the encoder's layers. kInvalidArgument
  /// as above, for a cache that has tokens already, and when there is no encoder.
  [[nodiscard]] Status encode(std::span<const SequenceStep> inputs,
                              const RoutingUse& routing = {});

  /// Takes in the prompt of one sequence and returns the hidden state that predicts the token
  /// after it, [hidden_size]: forward() over the prompt or, with an encoder, encode() and the
  /// decoder's start token.
  [[nodiscard]] Result<std::vector<float>> prefill(const SequenceStep& prompt);

  /// logits [num_rows, vocab_size] of hidden states [num_rows, hidden_size].
  [[nodiscard]] std::vector<float> logits(std::span<const float> hidden);

  /// From now on `observer` sees the inputs of every matrix; null: nobody does. It must outlive
  /// the calls of forward() and logits() that follow.
  void set_input_observer(InputObserver* observer) noexcept {
    compute_.set_input_observer(observer);
  }

  /// From now on a token's results do not depend on what else is in its batch, nor on how a prompt
  /// is divided among steps. See Compute::is_steady.
  void set_steady(bool steady) noexcept { compute_.set_steady(steady); }
  /// See Compute::input_form.
  void set_input_form(kernels::InputForm form) noexcept { compute_.set_input_form(form); }

  [[nodiscard]] const ModelSpec& spec() const noexcept { return spec_; }
  [[nodiscard]] int threads() const noexcept { return compute_.threads(); }
  /// Other work on the engine's threads. See Compute::for_each.
  template <class Body>
  void for_each(std::size_t count, std::size_t multiplications, const Body& body) {
    compute_.for_each(count, multiplications, body);
  }
  [[nodiscard]] const kernels::KernelTable& kernels() const noexcept {
    return compute_.kernels();
  }
  /// Bytes of weights one decoded token needs (experts averaged, no encoder): the work of the
  /// memory bus.
  [[nodiscard]] double active_bytes() const;

 private:
  Engine(const ModelSpec& spec, const kernels::KernelTable& table, int threads);

  [[nodiscard]] Status check_steps(std::span<const SequenceStep> steps) const;
  [[nodiscard]] std::vector<float> embed(std::span<const SequenceStep> steps);

  ModelSpec spec_;
  Compute compute_;
  RotaryTable rotary_;
  Linear embed_tokens_{};
  LayerStack decoder_{};
  std::optional<LayerStack> encoder_{};
  Linear lm_head_{};
};

}  // namespace trine::runtime
