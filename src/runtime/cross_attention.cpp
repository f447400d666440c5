#include "runtime/cross_attention.h"

#include <array>

namespace trine::runtime {

Result<CrossAttention> CrossAttention::load(const CrossAttentionSpec& spec,
                                            const ModelSpec& model, std::size_t layer,
                                            const models::WeightSource& source) {
  CrossAttention loaded;
  loaded.layer_ = layer;
  loaded.shape_ = {.num_heads = model.num_attention_heads,
                   .num_key_value_heads = model.num_key_value_heads,
                   .head_dim = model.head_dim,
                   .v_head_dim = model.v_head_dim,
                   .softmax_scale = spec.softmax_scale,
                   .is_causal = false};
  TRINE_ASSIGN_OR_RETURN(loaded.norm_, Norm::load(spec.norm, model.norm_eps, source));
  TRINE_ASSIGN_OR_RETURN(loaded.q_proj_, Linear::load(spec.q_proj, source));
  TRINE_ASSIGN_OR_RETURN(loaded.k_proj_, Linear::load(spec.k_proj, source));
  TRINE_ASSIGN_OR_RETURN(loaded.v_proj_, Linear::load(spec.v_proj, source));
  TRINE_ASSIGN_OR_RETURN(loaded.o_proj_, Linear::load(spec.o_proj, source));
  return loaded;
}

void CrossAttention::remember(Compute& compute, std::span<const SequenceStep> steps,
                              const float* encoded, std::size_t num_tokens) const {
  const std::size_t key_width = k_proj_.out_features();
  const std::size_t value_width = v_proj_.out_features();
  std::vector<float> keys(num_tokens * key_width);
  std::vector<float> values(num_tokens * value_width);
  multiply(compute,
           std::array{LinearCall{&k_proj_, keys.data()}, LinearCall{&v_proj_, values.data()}},
           encoded, num_tokens);
  const float* key = keys.data();
  const float* value = values.data();
  for (const SequenceStep& step : steps) {
    const std::size_t count = step.token_ids.size();
    step.cache->set_memory(
        layer_, {{key, key + count * key_width}, {value, value + count * value_width}});
    key += count * key_width;
    value += count * value_width;
  }
}

std::vector<float> CrossAttention::apply(Compute& compute, std::span<const SequenceStep> steps,
                                         const float* stream, std::size_t num_tokens) const {
  std::vector<float> normed(num_tokens * q_proj_.in_features());
  norm_.apply(stream, num_tokens, normed.data());
  std::vector<float> queries(num_tokens * q_proj_.out_features());
  multiply(compute, std::array{LinearCall{&q_proj_, queries.data()}}, normed.data(),
           num_tokens);
  std::vector<AttentionRows> rows;
  std::size_t first = 0;
  for (const SequenceStep& step : steps) {
    const KvCache::Rows& memory = step.cache->memory(layer_);
    rows.push_back({first, step.token_ids.size(), step.cache->memory_length(),
                    KeysAndValues{memory.keys.data(), memory.values.data()}});
    first += step.token_ids.size();
  }
  std::vector<float> attended(num_tokens * o_proj_.in_features());
  attend(compute, shape_, rows, queries.data(), attended.data());
  std::vector<float> outputs(num_tokens * o_proj_.out_features());
  multiply(compute, std::array{LinearCall{&o_proj_, outputs.data()}}, attended.data(),
           num_tokens);
  return outputs;
}

double CrossAttention::active_bytes() const {
  return static_cast<double>(q_proj_.stored_bytes() + o_proj_.stored_bytes());
}

}  // namespace trine::runtime
