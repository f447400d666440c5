#include "runtime/engine.h"

#include <array>
#include <cstring>

#include "runtime/norm.h"

namespace trine::runtime {
namespace {

/// A dense tensor as fp32, whatever 16- or 32-bit float it is stored in.
Status widen(const kernels::KernelTable& table, const TensorView& tensor, std::size_t first,
             std::span<float> target) {
  const std::uint8_t* bytes = tensor.bytes.data() + first * (bits_of(tensor.dtype) / 8);
  switch (tensor.dtype) {
    case DType::kF32: std::memcpy(target.data(), bytes, target.size_bytes()); return {};
    case DType::kF16: table.widen_f16(bytes, target.data(), target.size()); return {};
    case DType::kBF16: table.widen_bf16(bytes, target.data(), target.size()); return {};
    default:
      return fail(ErrorCode::kUnsupported, "type is {}, expected F32, F16 or BF16",
                  name_of(tensor.dtype));
  }
}

Result<TensorView> dense_tensor(const models::WeightSource& source, std::string_view name,
                                std::size_t num_elements) {
  TRINE_ASSIGN_OR_RETURN(const models::WeightView weight, source.weight(name));
  const auto* dense = std::get_if<TensorView>(&weight);
  if (dense == nullptr || dense->num_elements() != num_elements) {
    return fail(ErrorCode::kMalformed, "{}: expected a dense tensor of {} elements", name,
                num_elements);
  }
  if (dense->dtype != DType::kF32 && dense->dtype != DType::kF16 &&
      dense->dtype != DType::kBF16) {
    return fail(ErrorCode::kUnsupported, "{}: type is {}, expected F32, F16 or BF16", name,
                name_of(dense->dtype));
  }
  return *dense;
}

Result<std::vector<float>> load_norm(const models::WeightSource& source,
                                     const kernels::KernelTable& table, std::string_view name,
                                     std::size_t width) {
  TRINE_ASSIGN_OR_RETURN(const TensorView tensor, dense_tensor(source, name, width));
  std::vector<float> weight(width);
  TRINE_RETURN_IF_ERROR(widen(table, tensor, 0, weight));
  return weight;
}

}  // namespace

/// What one forward call keeps between layers; rows are the new tokens of all steps in order.
struct Engine::Batch {
  std::size_t num_tokens = 0;
  std::vector<std::size_t> positions{};
  std::vector<float> stream{};  ///< the residual stream, [num_tokens, hidden_size]
  std::vector<float> normed{};  ///< input of the current block, same shape
};

Engine::Engine(const ModelSpec& spec, const kernels::KernelTable& table, int threads)
    : spec_(spec), compute_(table, threads), rotary_(spec.head_dim, spec.rope_theta) {}

Result<Engine> Engine::load(const ModelSpec& spec, const models::WeightSource& source,
                            const kernels::KernelTable& table, int threads) {
  check(threads >= 1, "Engine::load: threads must be at least 1");
  Engine engine(spec, table, threads);
  const std::size_t hidden = spec.hidden_size;
  TRINE_ASSIGN_OR_RETURN(engine.embed_tokens_, dense_tensor(source, spec.embed_tokens.name,
                                                            spec.vocab_size * hidden));
  TRINE_ASSIGN_OR_RETURN(engine.final_norm_, load_norm(source, table, spec.final_norm, hidden));
  TRINE_ASSIGN_OR_RETURN(engine.lm_head_, Linear::load(spec.lm_head, source));
  for (const LayerSpec& layer : spec.layers) {
    Layer& target = engine.layers_.emplace_back();
    TRINE_ASSIGN_OR_RETURN(target.input_norm,
                           load_norm(source, table, layer.input_norm, hidden));
    TRINE_ASSIGN_OR_RETURN(target.post_attention_norm,
                           load_norm(source, table, layer.post_attention_norm, hidden));
    TRINE_ASSIGN_OR_RETURN(target.q_proj, Linear::load(layer.attention.q_proj, source));
    TRINE_ASSIGN_OR_RETURN(target.k_proj, Linear::load(layer.attention.k_proj, source));
    TRINE_ASSIGN_OR_RETURN(target.v_proj, Linear::load(layer.attention.v_proj, source));
    TRINE_ASSIGN_OR_RETURN(target.o_proj, Linear::load(layer.attention.o_proj, source));
    TRINE_ASSIGN_OR_RETURN(target.experts, Experts::load(layer.moe, source));
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

void Engine::embed(std::span<const SequenceStep> steps, Batch& batch) const {
  const std::size_t hidden = spec_.hidden_size;
  for (const SequenceStep& step : steps) {
    for (std::size_t i = 0; i < step.token_ids.size(); ++i) {
      batch.positions.push_back(step.cache->length() + i);
      batch.stream.resize(batch.stream.size() + hidden);
      const std::span<float> row(batch.stream.data() + batch.stream.size() - hidden, hidden);
      const auto id = static_cast<std::size_t>(step.token_ids[i]);
      check(widen(compute_.kernels(), embed_tokens_, id * hidden, row).has_value(),
            "embedding type was accepted at load");
    }
  }
  batch.num_tokens = batch.positions.size();
  batch.normed.resize(batch.stream.size());
}

void Engine::run_attention(std::size_t layer, std::span<const SequenceStep> steps,
                           Batch& batch) {
  const Layer& weights = layers_[layer];
  const std::size_t query_width = spec_.num_attention_heads * spec_.head_dim;
  const std::size_t key_width = spec_.num_key_value_heads * spec_.head_dim;
  std::vector<float> queries(batch.num_tokens * query_width);
  std::vector<float> keys(batch.num_tokens * key_width);
  std::vector<float> values(batch.num_tokens * key_width);
  multiply(compute_,
           std::array{LinearCall{&weights.q_proj, queries.data()},
                      LinearCall{&weights.k_proj, keys.data()},
                      LinearCall{&weights.v_proj, values.data()}},
           batch.normed.data(), batch.num_tokens);
  for (std::size_t token = 0; token < batch.num_tokens; ++token) {
    rotary_.rotate(token, queries.data() + token * query_width, spec_.num_attention_heads);
    rotary_.rotate(token, keys.data() + token * key_width, spec_.num_key_value_heads);
  }
  std::vector<AttentionRows> rows;
  std::size_t first = 0;
  for (const SequenceStep& step : steps) {
    const std::size_t count = step.token_ids.size();
    const std::size_t past = step.cache->length();
    step.cache->extend(layer, count);
    std::memcpy(step.cache->keys_at(layer, past), keys.data() + first * key_width,
                count * key_width * sizeof(float));
    std::memcpy(step.cache->values_at(layer, past), values.data() + first * key_width,
                count * key_width * sizeof(float));
    rows.push_back(
        {first, count, past, step.cache->keys_at(layer, 0), step.cache->values_at(layer, 0)});
    first += count;
  }
  std::vector<float> attended(batch.num_tokens * query_width);
  const AttentionShape shape{spec_.num_attention_heads, spec_.num_key_value_heads,
                             spec_.head_dim, spec_.sliding_window};
  attend(compute_, shape, rows, queries.data(), attended.data());
  std::vector<float> outputs(batch.stream.size());
  multiply(compute_, std::array{LinearCall{&weights.o_proj, outputs.data()}}, attended.data(),
           batch.num_tokens);
  for (std::size_t i = 0; i < outputs.size(); ++i) batch.stream[i] += outputs[i];
}

Result<std::vector<float>> Engine::forward(std::span<const SequenceStep> steps,
                                           RoutingTrace* trace) {
  TRINE_RETURN_IF_ERROR(check_steps(steps));
  Batch batch;
  embed(steps, batch);
  rotary_.set_positions(batch.positions);
  if (trace != nullptr) trace->clear();
  for (std::size_t layer = 0; layer < layers_.size(); ++layer) {
    const Layer& weights = layers_[layer];
    rms_norm(batch.stream.data(), batch.num_tokens, weights.input_norm, spec_.rms_norm_eps,
             batch.normed.data());
    run_attention(layer, steps, batch);
    rms_norm(batch.stream.data(), batch.num_tokens, weights.post_attention_norm,
             spec_.rms_norm_eps, batch.normed.data());
    Routing routing = weights.experts.apply(compute_, batch.normed.data(), batch.num_tokens,
                                            batch.stream.data());
    if (trace != nullptr) trace->push_back(std::move(routing));
  }
  for (const SequenceStep& step : steps) step.cache->advance(step.token_ids.size());
  rms_norm(batch.stream.data(), batch.num_tokens, final_norm_, spec_.rms_norm_eps,
           batch.normed.data());
  return std::move(batch.normed);
}

std::vector<float> Engine::logits(std::span<const float> hidden) {
  const std::size_t num_rows = hidden.size() / spec_.hidden_size;
  std::vector<float> result(num_rows * spec_.vocab_size);
  multiply(compute_, std::array{LinearCall{&lm_head_, result.data()}}, hidden.data(), num_rows);
  return result;
}

double Engine::active_bytes() const {
  auto bytes = static_cast<double>(lm_head_.stored_bytes());
  for (const Layer& layer : layers_) {
    bytes += static_cast<double>(layer.q_proj.stored_bytes() + layer.k_proj.stored_bytes() +
                                 layer.v_proj.stored_bytes() + layer.o_proj.stored_bytes());
    bytes += layer.experts.active_bytes();
  }
  return bytes;
}

}  // namespace trine::runtime
