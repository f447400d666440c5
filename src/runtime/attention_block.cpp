#include "runtime/attention_block.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace trine::runtime {
namespace {

void clip(std::vector<float>& values, double limit) {
  if (limit == 0.0) return;
  const auto most = static_cast<float>(limit);
  for (float& value : values) value = std::clamp(value, -most, most);
}

/// Normalises each row, or each head of it when the norm is as wide as a head.
void apply_norm(const Norm& norm, std::vector<float>& values) {
  if (norm.exists()) norm.apply(values.data(), values.size() / norm.size(), values.data());
}

}  // namespace

Result<AttentionBlock> AttentionBlock::load(const AttentionSpec& spec, const ModelSpec& model,
                                            const AttentionPlace& place,
                                            const models::WeightSource& source) {
  AttentionBlock block;
  block.place_ = place;
  block.shape_ = {.num_heads = model.num_attention_heads,
                  .num_key_value_heads = model.num_key_value_heads,
                  .head_dim = model.head_dim,
                  .v_head_dim = model.v_head_dim,
                  .softmax_scale = spec.softmax_scale,
                  .is_causal = place.is_causal,
                  .sliding_window = spec.sliding_window,
                  .relative_bias = place.relative_bias.get()};
  if (spec.sinks.exists()) {
    TRINE_ASSIGN_OR_RETURN(block.sinks_, source.vector(spec.sinks));
  }
  block.clip_ = spec.clip_qkv.value_or(0.0);
  TRINE_ASSIGN_OR_RETURN(block.q_proj_, Linear::load(spec.q_proj, source));
  TRINE_ASSIGN_OR_RETURN(block.k_proj_, Linear::load(spec.k_proj, source));
  TRINE_ASSIGN_OR_RETURN(block.v_proj_, Linear::load(spec.v_proj, source));
  TRINE_ASSIGN_OR_RETURN(block.o_proj_, Linear::load(spec.o_proj, source));
  TRINE_ASSIGN_OR_RETURN(block.q_norm_, Norm::load(spec.q_norm, model.norm_eps, source));
  TRINE_ASSIGN_OR_RETURN(block.k_norm_, Norm::load(spec.k_norm, model.norm_eps, source));
  if (!spec.latent) return block;
  const LatentSpec& latent = *spec.latent;
  block.is_latent_ = true;
  block.rope_dim_ = latent.qk_rope_head_dim;
  block.latent_rank_ = latent.kv_lora_rank;
  TRINE_ASSIGN_OR_RETURN(block.q_a_proj_, Linear::load(latent.q_a_proj, source));
  TRINE_ASSIGN_OR_RETURN(block.kv_a_proj_, Linear::load(latent.kv_a_proj, source));
  TRINE_ASSIGN_OR_RETURN(block.kv_b_proj_, Linear::load(latent.kv_b_proj, source));
  TRINE_ASSIGN_OR_RETURN(block.q_a_norm_, Norm::load(latent.q_a_norm, model.norm_eps, source));
  TRINE_ASSIGN_OR_RETURN(block.kv_a_norm_,
                         Norm::load(latent.kv_a_norm, model.norm_eps, source));
  return block;
}

AttentionBlock::Projected AttentionBlock::project(Compute& compute, const RotaryTable& rotary,
                                                  const float* inputs,
                                                  std::size_t num_tokens) const {
  Projected projected{std::vector<float>(num_tokens * q_proj_.out_features()),
                      std::vector<float>(num_tokens * k_proj_.out_features()),
                      std::vector<float>(num_tokens * v_proj_.out_features())};
  multiply(compute,
           std::array{LinearCall{&q_proj_, projected.queries.data()},
                      LinearCall{&k_proj_, projected.keys.data()},
                      LinearCall{&v_proj_, projected.values.data()}},
           inputs, num_tokens);
  apply_norm(q_norm_, projected.queries);
  apply_norm(k_norm_, projected.keys);
  clip(projected.queries, clip_);
  clip(projected.keys, clip_);
  clip(projected.values, clip_);
  for (std::size_t token = 0; token < num_tokens; ++token) {
    rotary.rotate(token, projected.queries.data() + token * q_proj_.out_features(),
                  shape_.num_heads, shape_.head_dim);
    rotary.rotate(token, projected.keys.data() + token * k_proj_.out_features(),
                  shape_.num_key_value_heads, shape_.head_dim);
  }
  return projected;
}

/// Multi-head latent attention, written out: the latent is expanded to keys and values per head,
/// [nope | rope] each, where the rotated part of the key is the same for all heads.
AttentionBlock::Projected AttentionBlock::project_latent(Compute& compute,
                                                         const RotaryTable& rotary,
                                                         const float* inputs,
                                                         std::size_t num_tokens) const {
  const std::size_t heads = shape_.num_heads;
  const std::size_t nope = shape_.head_dim - rope_dim_;
  const std::size_t latent_width = kv_a_proj_.out_features();
  Projected projected{std::vector<float>(num_tokens * heads * shape_.head_dim),
                      std::vector<float>(num_tokens * heads * shape_.head_dim),
                      std::vector<float>(num_tokens * heads * shape_.v_head_dim)};
  std::vector<float> latents(num_tokens * latent_width);
  std::vector<float> query_latents(num_tokens * q_a_proj_.out_features());
  const LinearCall latent_call{&kv_a_proj_, latents.data()};
  if (q_a_proj_.exists()) {
    multiply(compute, std::array{latent_call, LinearCall{&q_a_proj_, query_latents.data()}},
             inputs, num_tokens);
    apply_norm(q_a_norm_, query_latents);
    multiply(compute, std::array{LinearCall{&q_proj_, projected.queries.data()}},
             query_latents.data(), num_tokens);
  } else {
    multiply(compute, std::array{latent_call, LinearCall{&q_proj_, projected.queries.data()}},
             inputs, num_tokens);
  }
  std::vector<float> compressed(num_tokens * latent_rank_);
  for (std::size_t token = 0; token < num_tokens; ++token) {
    float* latent = latents.data() + token * latent_width;
    std::memcpy(compressed.data() + token * latent_rank_, latent, latent_rank_ * sizeof(float));
    rotary.rotate(token, latent + latent_rank_, 1, rope_dim_);
    rotary.rotate(token, projected.queries.data() + token * heads * shape_.head_dim + nope,
                  heads, shape_.head_dim);
  }
  apply_norm(kv_a_norm_, compressed);
  std::vector<float> expanded(num_tokens * kv_b_proj_.out_features());
  multiply(compute, std::array{LinearCall{&kv_b_proj_, expanded.data()}}, compressed.data(),
           num_tokens);
  const std::size_t head_width = nope + shape_.v_head_dim;
  for (std::size_t row = 0; row < num_tokens * heads; ++row) {
    const float* source = expanded.data() + row * head_width;
    const float* rotated = latents.data() + row / heads * latent_width + latent_rank_;
    float* key = projected.keys.data() + row * shape_.head_dim;
    std::memcpy(key, source, nope * sizeof(float));
    std::memcpy(key + nope, rotated, rope_dim_ * sizeof(float));
    std::memcpy(projected.values.data() + row * shape_.v_head_dim, source + nope,
                shape_.v_head_dim * sizeof(float));
  }
  return projected;
}

std::vector<AttentionRows> AttentionBlock::extend_caches(const Compute& compute,
                                                         std::span<const SequenceStep> steps,
                                                         const Projected& projected) const {
  const std::size_t key_width = shape_.num_key_value_heads * shape_.head_dim;
  const std::size_t value_width = shape_.num_key_value_heads * shape_.v_head_dim;
  std::vector<AttentionRows> rows;
  std::size_t first = 0;
  for (const SequenceStep& step : steps) {
    const std::size_t count = step.token_ids.size();
    const std::size_t past = step.cache->length();
    const KeysAndValues all = step.cache->append(compute.kernels(), place_.cache_layer, count,
                                                 projected.keys.data() + first * key_width,
                                                 projected.values.data() + first * value_width);
    rows.push_back({first, count, past + count, all});
    first += count;
  }
  return rows;
}

std::vector<float> AttentionBlock::apply(Compute& compute, const RotaryTable& rotary,
                                         std::span<const SequenceStep> steps,
                                         const float* inputs, std::size_t num_tokens) const {
  const Projected projected = is_latent_ ? project_latent(compute, rotary, inputs, num_tokens)
                                         : project(compute, rotary, inputs, num_tokens);
  const std::vector<AttentionRows> rows = extend_caches(compute, steps, projected);
  AttentionShape shape = shape_;
  shape.sinks = sinks_;
  std::vector<float> attended(num_tokens * shape_.num_heads * shape_.v_head_dim);
  attend(compute, shape, rows, projected.queries.data(), attended.data());
  std::vector<float> outputs(num_tokens * o_proj_.out_features());
  multiply(compute, std::array{LinearCall{&o_proj_, outputs.data()}}, attended.data(),
           num_tokens);
  return outputs;
}

double AttentionBlock::active_bytes() const {
  std::size_t bytes = 0;
  for (const Linear* linear :
       {&q_proj_, &k_proj_, &v_proj_, &o_proj_, &q_a_proj_, &kv_a_proj_, &kv_b_proj_}) {
    if (linear->exists()) bytes += linear->stored_bytes();
  }
  return static_cast<double>(bytes);
}

}  // namespace trine::runtime
