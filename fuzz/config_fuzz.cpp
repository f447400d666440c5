// A config.json from a stranger.
#include <cstdint>
#include <string_view>

#include "base/json.h"
#include "models/family.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto json = trine::base::parse_json(text, "fuzz");
  if (!json) return 0;
  const auto spec = trine::models::parse_model_config(trine::base::JsonFields(*json, "fuzz"));
  if (!spec) return 0;
  // What the runtime divides by and allocates from.
  if (spec->num_key_value_heads == 0 || spec->rope.rotary_dim % 2 != 0) __builtin_trap();
  if (spec->num_attention_heads % spec->num_key_value_heads != 0) __builtin_trap();
  for (const trine::MatrixSpec* matrix : trine::all_matrices(*spec)) {
    if (matrix->out_features == 0 || matrix->in_features == 0) __builtin_trap();
  }
  for (const trine::LayerSpec* layer : trine::all_layers(*spec)) {
    if (layer->moe.has_value() == layer->dense.has_value()) __builtin_trap();
    if (layer->cross_attention && !spec->encoder) __builtin_trap();
    if (!layer->moe) continue;
    const std::size_t chosen = layer->moe->router.experts_per_token;
    if (chosen == 0 || chosen > layer->moe->experts.size()) __builtin_trap();
  }
  return 0;
}
