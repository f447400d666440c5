#include "runtime/engine.h"

#include <algorithm>
#include <array>

namespace trine::runtime {

Engine::Engine(const ModelSpec& spec, const kernels::KernelTable& table, int threads)
    : spec_(spec), compute_(table, threads), rotary_(spec.rope) {}

Result<Engine> Engine::load(const ModelSpec& spec, const models::WeightSource& source,
                            const kernels::KernelTable& table, int threads) {
  check(threads >= 1, "Engine::load: threads must be at least 1");
  Engine engine(spec, table, threads);
  TRINE_ASSIGN_OR_RETURN(engine.embed_tokens_, Linear::load(spec.embed_tokens, source));
  TRINE_ASSIGN_OR_RETURN(engine.lm_head_, Linear::load(spec.lm_head, source));
  const StackSpec decoder{spec.layers, spec.final_norm, spec.relative_bias};
  TRINE_ASSIGN_OR_RETURN(engine.decoder_, LayerStack::load(decoder, spec, source, table));
  if (spec.encoder) {
    const StackSpec encoder{spec.encoder->layers, spec.encoder->final_norm,
                            spec.encoder->relative_bias, false};
    TRINE_ASSIGN_OR_RETURN(engine.encoder_, LayerStack::load(encoder, spec, source, table));
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

/// Embeddings of the new tokens of all steps, in order; sets the rotation of their positions.
std::vector<float> Engine::embed(std::span<const SequenceStep> steps) {
  const std::size_t hidden = spec_.hidden_size;
  std::vector<TokenPosition> positions;
  std::vector<float> embedded;
  for (const SequenceStep& step : steps) {
    const std::size_t past = step.cache->length();
    for (std::size_t i = 0; i < step.token_ids.size(); ++i) {
      positions.push_back(
          {past + i, std::max(past + step.token_ids.size(), step.whole_length)});
      embedded.resize(embedded.size() + hidden);
      embed_tokens_.read_row(compute_.kernels(), static_cast<std::size_t>(step.token_ids[i]),
                             embedded.data() + embedded.size() - hidden);
    }
  }
  const auto multiplier = static_cast<float>(spec_.embedding_multiplier);
  if (multiplier != 1.0f) {
    for (float& value : embedded) value *= multiplier;
  }
  rotary_.set_positions(positions);
  return embedded;
}

Result<std::vector<float>> Engine::forward(std::span<const SequenceStep> steps,
                                           const RoutingUse& routing) {
  TRINE_RETURN_IF_ERROR(check_steps(steps));
  for (const SequenceStep& step : steps) {
    if (encoder_ && step.cache->memory_length() == 0) {
      return fail(ErrorCode::kInvalidArgument,
                  "forward: the decoder of {} needs an encoded input, and none was encoded",
                  spec_.family);
    }
  }
  std::vector<float> hidden = decoder_.run(compute_, rotary_, steps, embed(steps), routing);
  for (const SequenceStep& step : steps) step.cache->advance(step.token_ids.size());
  return hidden;
}

Status Engine::encode(std::span<const SequenceStep> inputs, const RoutingUse& routing) {
  if (!encoder_) {
    return fail(ErrorCode::kInvalidArgument, "encode: {} has no encoder", spec_.family);
  }
  TRINE_RETURN_IF_ERROR(check_steps(inputs));
  for (const SequenceStep& input : inputs) {
    if (input.cache->length() > 0) {
      return fail(ErrorCode::kInvalidArgument,
                  "encode: the cache has {} tokens already, expected none",
                  input.cache->length());
    }
  }
  // The encoder's own keys and values are needed by one layer at a time.
  std::vector<KvCache> scratch(inputs.size(), KvCache(spec_, 1));
  std::vector<SequenceStep> steps;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    steps.push_back({inputs[i].token_ids, &scratch[i]});
  }
  const auto encoded = encoder_->run(compute_, rotary_, steps, embed(steps), routing);
  decoder_.remember(compute_, inputs, encoded);
  for (const SequenceStep& input : inputs) {
    input.cache->set_memory_length(input.token_ids.size());
  }
  return {};
}

Result<std::vector<float>> Engine::prefill(const SequenceStep& prompt) {
  SequenceStep step = prompt;
  if (encoder_) {
    TRINE_RETURN_IF_ERROR(encode(std::span(&prompt, 1)));
    step.token_ids = std::span(&spec_.encoder->decoder_start_token, 1);
  }
  TRINE_ASSIGN_OR_RETURN(std::vector<float> hidden, forward(std::span(&step, 1)));
  hidden.erase(hidden.begin(), hidden.end() - static_cast<std::ptrdiff_t>(spec_.hidden_size));
  return hidden;
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
  return static_cast<double>(lm_head_.stored_bytes()) + decoder_.active_bytes();
}

}  // namespace trine::runtime
