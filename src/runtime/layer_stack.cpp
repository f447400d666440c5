#include "runtime/layer_stack.h"

#include <memory>
#include <utility>

namespace trine::runtime {

/// The residual stream; rows are the new tokens of all steps in order.
class LayerStack::Stream {
 public:
  Stream(std::vector<float> embedded, std::size_t num_tokens, double multiplier)
      : values_(std::move(embedded)),
        normed_(values_.size()),
        num_tokens_(num_tokens),
        multiplier_(static_cast<float>(multiplier)) {}

  [[nodiscard]] const float* values() const noexcept { return values_.data(); }
  /// Input of the current block, [num_tokens, hidden_size].
  [[nodiscard]] const float* normed(const Norm& norm) {
    norm.apply(values_.data(), num_tokens_, normed_.data());
    return normed_.data();
  }
  void add(const std::vector<float>& outputs) {
    for (std::size_t i = 0; i < values_.size(); ++i) values_[i] += multiplier_ * outputs[i];
  }
  /// The last use of the stream.
  [[nodiscard]] std::vector<float> finish(const Norm& norm) {
    norm.apply(values_.data(), num_tokens_, normed_.data());
    return std::move(normed_);
  }

 private:
  std::vector<float> values_;
  std::vector<float> normed_;
  std::size_t num_tokens_;
  float multiplier_;
};

Result<LayerStack::Layer> LayerStack::load_layer(const LayerSpec& spec, const ModelSpec& model,
                                                 const AttentionPlace& place,
                                                 const models::WeightSource& source) {
  Layer loaded;
  TRINE_ASSIGN_OR_RETURN(loaded.input_norm,
                         Norm::load(spec.input_norm, model.norm_eps, source));
  TRINE_ASSIGN_OR_RETURN(loaded.post_attention_norm,
                         Norm::load(spec.post_attention_norm, model.norm_eps, source));
  TRINE_ASSIGN_OR_RETURN(loaded.attention,
                         AttentionBlock::load(spec.attention, model, place, source));
  if (spec.cross_attention) {
    TRINE_ASSIGN_OR_RETURN(
        loaded.cross_attention,
        CrossAttention::load(*spec.cross_attention, model, place.cache_layer, source));
  }
  if (spec.dense) {
    TRINE_ASSIGN_OR_RETURN(loaded.dense, FeedForward::load(*spec.dense, model, source));
  }
  if (spec.moe) {
    TRINE_ASSIGN_OR_RETURN(loaded.experts, Experts::load(*spec.moe, model, source));
  }
  return loaded;
}

Result<LayerStack> LayerStack::load(const StackSpec& spec, const ModelSpec& model,
                                    const models::WeightSource& source,
                                    const kernels::KernelTable& table) {
  LayerStack stack;
  stack.hidden_size_ = model.hidden_size;
  stack.residual_multiplier_ = model.residual_multiplier;
  AttentionPlace place{.is_causal = spec.is_causal};
  if (spec.relative_bias) {
    TRINE_ASSIGN_OR_RETURN(
        auto bias, RelativeBias::load(*spec.relative_bias, spec.is_causal, source, table));
    place.relative_bias = std::make_shared<const RelativeBias>(std::move(bias));
  }
  for (std::size_t index = 0; index < spec.layers.size(); ++index) {
    place.cache_layer = spec.is_causal ? index : 0;
    TRINE_ASSIGN_OR_RETURN(auto layer, load_layer(spec.layers[index], model, place, source));
    stack.layers_.push_back(std::move(layer));
  }
  TRINE_ASSIGN_OR_RETURN(stack.final_norm_,
                         Norm::load(spec.final_norm, model.norm_eps, source));
  return stack;
}

std::vector<float> LayerStack::run(Compute& compute, const RotaryTable& rotary,
                                   std::span<const SequenceStep> steps,
                                   std::vector<float> embedded,
                                   const RoutingUse& routing) const {
  const std::size_t num_tokens = embedded.size() / hidden_size_;
  Stream stream(std::move(embedded), num_tokens, residual_multiplier_);
  if (routing.trace != nullptr) routing.trace->clear();
  std::size_t routed = 0;  // layers with experts so far
  for (const Layer& layer : layers_) {
    stream.add(layer.attention.apply(compute, rotary, steps, stream.normed(layer.input_norm),
                                     num_tokens));
    if (layer.cross_attention) {
      stream.add(layer.cross_attention->apply(compute, steps, stream.values(), num_tokens));
    }
    const float* normed = stream.normed(layer.post_attention_norm);
    if (layer.dense) {
      stream.add(layer.dense->apply(compute, normed, num_tokens));
      continue;
    }
    std::vector<float> outputs;
    const Routing* forced = routing.forced == nullptr ? nullptr : &(*routing.forced)[routed++];
    Routing chosen = layer.experts->apply(compute, normed, num_tokens, outputs, forced);
    stream.add(outputs);
    if (routing.trace != nullptr) routing.trace->push_back(std::move(chosen));
  }
  return stream.finish(final_norm_);
}

void LayerStack::remember(Compute& compute, std::span<const SequenceStep> steps,
                          const std::vector<float>& encoded) const {
  for (const Layer& layer : layers_) {
    if (!layer.cross_attention) continue;
    layer.cross_attention->remember(compute, steps, encoded.data(),
                                    encoded.size() / hidden_size_);
  }
}

double LayerStack::active_bytes() const {
  double bytes = 0.0;
  for (const Layer& layer : layers_) {
    bytes += layer.attention.active_bytes();
    if (layer.cross_attention) bytes += layer.cross_attention->active_bytes();
    if (layer.dense) bytes += static_cast<double>(layer.dense->stored_bytes());
    if (layer.experts) bytes += layer.experts->active_bytes();
  }
  return bytes;
}

}  // namespace trine::runtime
