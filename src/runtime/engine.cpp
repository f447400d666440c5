#include "runtime/engine.h"

#include <array>

namespace trine::runtime {

/// What one forward call keeps between layers; rows are the new tokens of all steps in order.
struct Engine::Batch {
  std::size_t num_tokens = 0;
  std::vector<float> stream{};  ///< the residual stream, [num_tokens, hidden_size]
  std::vector<float> normed{};  ///< input of the current block, same shape

  void add(const std::vector<float>& outputs, double multiplier) {
    const auto factor = static_cast<float>(multiplier);
    for (std::size_t i = 0; i < stream.size(); ++i) stream[i] += factor * outputs[i];
  }
};

Engine::Engine(const ModelSpec& spec, const kernels::KernelTable& table, int threads)
    : spec_(spec), compute_(table, threads), rotary_(spec.rope) {}

Result<Engine::Layer> Engine::load_layer(const ModelSpec& spec, std::size_t index,
                                         const models::WeightSource& source) {
  const LayerSpec& layer = spec.layers[index];
  Layer loaded;
  TRINE_ASSIGN_OR_RETURN(loaded.input_norm,
                         Norm::load(layer.input_norm, spec.norm_eps, source));
  TRINE_ASSIGN_OR_RETURN(loaded.post_attention_norm,
                         Norm::load(layer.post_attention_norm, spec.norm_eps, source));
  TRINE_ASSIGN_OR_RETURN(loaded.attention, AttentionBlock::load(spec, index, source));
  if (layer.dense) {
    TRINE_ASSIGN_OR_RETURN(loaded.dense, GatedMlp::load(*layer.dense, spec, source));
  }
  if (layer.moe) {
    TRINE_ASSIGN_OR_RETURN(loaded.experts, Experts::load(*layer.moe, spec, source));
  }
  return loaded;
}

Result<Engine> Engine::load(const ModelSpec& spec, const models::WeightSource& source,
                            const kernels::KernelTable& table, int threads) {
  check(threads >= 1, "Engine::load: threads must be at least 1");
  Engine engine(spec, table, threads);
  TRINE_ASSIGN_OR_RETURN(engine.embed_tokens_, Linear::load(spec.embed_tokens, source));
  TRINE_ASSIGN_OR_RETURN(engine.final_norm_,
                         Norm::load(spec.final_norm, spec.norm_eps, source));
  TRINE_ASSIGN_OR_RETURN(engine.lm_head_, Linear::load(spec.lm_head, source));
  for (std::size_t index = 0; index < spec.layers.size(); ++index) {
    TRINE_ASSIGN_OR_RETURN(auto layer, load_layer(spec, index, source));
    engine.layers_.push_back(std::move(layer));
  }
  return engine;
}

Status Engine::check_steps(std::span<const SequenceStep> steps) const {
  if (steps.empty()) return fail(ErrorCode::kInvalidArgument, "forward: no sequence given");
  for (const SequenceStep& step : steps) {
    if (step.token_ids.empty()) {
      return fail(ErrorCode::kInvalidArgument, "forward: a sequence has no new token");
    }
    for (const std::int32_t id : step.token_ids) {
      if (id < 0 || static_cast<std::size_t>(id) >= spec_.vocab_size) {
        return fail(ErrorCode::kInvalidArgument,
                    "token id {} is outside the vocabulary of {} tokens", id, spec_.vocab_size);
      }
    }
  }
  return {};
}

void Engine::embed(std::span<const SequenceStep> steps, Batch& batch) {
  const std::size_t hidden = spec_.hidden_size;
  std::vector<TokenPosition> positions;
  for (const SequenceStep& step : steps) {
    const std::size_t past = step.cache->length();
    for (std::size_t i = 0; i < step.token_ids.size(); ++i) {
      positions.push_back({past + i, past + step.token_ids.size()});
      batch.stream.resize(batch.stream.size() + hidden);
      embed_tokens_.read_row(compute_.kernels(), static_cast<std::size_t>(step.token_ids[i]),
                             batch.stream.data() + batch.stream.size() - hidden);
    }
  }
  batch.num_tokens = positions.size();
  batch.normed.resize(batch.stream.size());
  const auto multiplier = static_cast<float>(spec_.embedding_multiplier);
  if (multiplier != 1.0f) {
    for (float& value : batch.stream) value *= multiplier;
  }
  rotary_.set_positions(positions);
}

void Engine::run_layer(const Layer& layer, std::span<const SequenceStep> steps, Batch& batch,
                       RoutingTrace* trace) {
  layer.input_norm.apply(batch.stream.data(), batch.num_tokens, batch.normed.data());
  batch.add(
      layer.attention.apply(compute_, rotary_, steps, batch.normed.data(), batch.num_tokens),
      spec_.residual_multiplier);
  layer.post_attention_norm.apply(batch.stream.data(), batch.num_tokens, batch.normed.data());
  if (layer.dense) {
    batch.add(layer.dense->apply(compute_, batch.normed.data(), batch.num_tokens),
              spec_.residual_multiplier);
    return;
  }
  std::vector<float> outputs;
  Routing routing =
      layer.experts->apply(compute_, batch.normed.data(), batch.num_tokens, outputs);
  batch.add(outputs, spec_.residual_multiplier);
  if (trace != nullptr) trace->push_back(std::move(routing));
}

Result<std::vector<float>> Engine::forward(std::span<const SequenceStep> steps,
                                           RoutingTrace* trace) {
  TRINE_RETURN_IF_ERROR(check_steps(steps));
  Batch batch;
  embed(steps, batch);
  if (trace != nullptr) trace->clear();
  for (const Layer& layer : layers_) run_layer(layer, steps, batch, trace);
  for (const SequenceStep& step : steps) step.cache->advance(step.token_ids.size());
  final_norm_.apply(batch.stream.data(), batch.num_tokens, batch.normed.data());
  return std::move(batch.normed);
}

std::vector<float> Engine::logits(std::span<const float> hidden) {
  const std::size_t num_rows = hidden.size() / spec_.hidden_size;
  std::vector<float> result(num_rows * spec_.vocab_size);
  multiply(compute_, std::array{LinearCall{&lm_head_, result.data()}}, hidden.data(), num_rows);
  const auto divisor = static_cast<float>(spec_.logits_divisor);
  if (divisor != 1.0f) {
    for (float& logit : result) logit /= divisor;
  }
  return result;
}

double Engine::active_bytes() const {
  auto bytes = static_cast<double>(lm_head_.stored_bytes());
  for (const Layer& layer : layers_) {
    bytes += layer.attention.active_bytes();
    if (layer.dense) bytes += static_cast<double>(layer.dense->stored_bytes());
    if (layer.experts) bytes += layer.experts->active_bytes();
  }
  return bytes;
}

}  // namespace trine::runtime
