#include "models/config_reading.h"

#include <algorithm>

#include "models/layer_building.h"
#include "models/rope_scaling.h"

namespace trine::models {
namespace {

Status require_silu(const base::JsonFields& config) {
  TRINE_ASSIGN_OR_RETURN(const auto activation, config.string_or("hidden_act", "silu"));
  if (activation == "silu") return {};
  return fail(ErrorCode::kUnsupported, "{}: hidden_act is \"{}\", expected \"silu\"",
              config.name(), activation);
}

/// Head counts and width: they must divide and pair up.
Status read_heads(const base::JsonFields& config, const ConfigDefaults& defaults,
                  ModelSpec& spec) {
  TRINE_ASSIGN_OR_RETURN(const auto heads, config.integer("num_attention_heads", 1, kMaxWidth));
  // An absent field means the class default; null means one key/value head per query head.
  const bool is_absent = !config.json().contains("num_key_value_heads");
  const std::int64_t absent = is_absent && defaults.num_key_value_heads != 0
                                  ? std::min(heads, defaults.num_key_value_heads)
                                  : heads;
  TRINE_ASSIGN_OR_RETURN(const auto key_value_heads,
                         config.integer_or("num_key_value_heads", 1, heads, absent));
  if (heads % key_value_heads != 0) {
    return fail(ErrorCode::kMalformed,
                "{}: num_attention_heads {} is not a multiple of num_key_value_heads {}",
                config.name(), heads, key_value_heads);
  }
  const auto hidden = static_cast<std::int64_t>(spec.hidden_size);
  const bool has_width = config.has("head_dim") || defaults.head_dim != 0;
  if (!has_width && hidden % heads != 0) {
    return fail(
        ErrorCode::kMalformed,
        "{}: hidden_size {} is not a multiple of num_attention_heads {} and there is no "
        "head_dim",
        config.name(), hidden, heads);
  }
  const std::int64_t usual = defaults.head_dim != 0 ? defaults.head_dim : hidden / heads;
  TRINE_ASSIGN_OR_RETURN(const auto head_dim,
                         config.integer_or("head_dim", 2, kMaxWidth, usual));
  if (head_dim % 2 != 0) {
    return fail(ErrorCode::kMalformed, "{}: head_dim {} is odd, rotary embedding needs pairs",
                config.name(), head_dim);
  }
  spec.num_attention_heads = static_cast<std::size_t>(heads);
  spec.num_key_value_heads = static_cast<std::size_t>(key_value_heads);
  spec.head_dim = spec.v_head_dim = static_cast<std::size_t>(head_dim);
  return {};
}

}  // namespace

Result<std::size_t> read_size(const base::JsonFields& config, std::string_view field,
                              std::int64_t high) {
  TRINE_ASSIGN_OR_RETURN(const auto value, config.integer(field, 1, high));
  return static_cast<std::size_t>(value);
}

Result<std::size_t> read_size_or(const base::JsonFields& config, std::string_view field,
                                 std::int64_t high, std::size_t absent) {
  if (!config.has(field)) return absent;
  return read_size(config, field, high);
}

Result<ModelSpec> read_decoder(const base::JsonFields& config, std::string_view family,
                               const ConfigDefaults& defaults) {
  ModelSpec spec{.family = std::string(family)};
  TRINE_ASSIGN_OR_RETURN(spec.hidden_size, read_size(config, "hidden_size", kMaxWidth));
  TRINE_ASSIGN_OR_RETURN(spec.vocab_size, read_size(config, "vocab_size", kMaxVocabulary));
  TRINE_ASSIGN_OR_RETURN(const auto positions,
                         config.integer_or("max_position_embeddings", 1, kMaxPositions,
                                           defaults.max_position_embeddings));
  spec.max_position_embeddings = static_cast<std::size_t>(positions);
  TRINE_ASSIGN_OR_RETURN(spec.norm_eps,
                         config.number_or("rms_norm_eps", 0.0, 1.0, defaults.norm_eps));
  TRINE_RETURN_IF_ERROR(require_silu(config));
  TRINE_RETURN_IF_ERROR(read_heads(config, defaults, spec));
  TRINE_ASSIGN_OR_RETURN(spec.rope, read_rope(config, spec.head_dim, defaults.rope_theta,
                                              spec.max_position_embeddings));
  spec.embed_tokens = matrix_spec("model.embed_tokens.weight", spec.vocab_size,
                                  spec.hidden_size, MatrixRole::kEmbedding);
  spec.final_norm = rms_norm_spec("model.norm", spec.hidden_size);
  spec.lm_head =
      matrix_spec("lm_head.weight", spec.vocab_size, spec.hidden_size, MatrixRole::kHead);
  TRINE_ASSIGN_OR_RETURN(
      const bool tied, config.boolean_or("tie_word_embeddings", defaults.tie_word_embeddings));
  if (tied) spec.lm_head.name = spec.embed_tokens.name;
  return spec;
}

Result<std::size_t> read_num_layers(const base::JsonFields& config) {
  return read_size(config, "num_hidden_layers", kMaxLayers);
}

Result<ExpertCounts> read_expert_counts(const base::JsonFields& config, std::size_t num_layers,
                                        const ExpertFields& fields) {
  const auto read = [&](std::string_view field, std::int64_t high,
                        std::int64_t absent) -> Result<std::int64_t> {
    if (absent > 0) return config.integer_or(field, 1, high, absent);
    return config.integer(field, 1, high);
  };
  TRINE_ASSIGN_OR_RETURN(const auto experts,
                         read(fields.num_experts, kMaxExperts, fields.num_experts_absent));
  if (experts * static_cast<std::int64_t>(num_layers) > kMaxExpertsInAll) {
    return fail(ErrorCode::kMalformed,
                "{}: num_hidden_layers {} times {} {}: at most {} experts in all",
                config.name(), num_layers, fields.num_experts, experts, kMaxExpertsInAll);
  }
  TRINE_ASSIGN_OR_RETURN(const auto per_token,
                         read("num_experts_per_tok", experts, fields.experts_per_token_absent));
  if (per_token > experts) {
    return fail(ErrorCode::kMalformed, "{}: {} experts per token of {} experts", config.name(),
                per_token, experts);
  }
  return ExpertCounts{static_cast<std::size_t>(experts), static_cast<std::size_t>(per_token)};
}

Result<Windows> read_windows(const base::JsonFields& config, std::size_t num_layers,
                             std::size_t first_sliding, std::size_t absent) {
  Windows windows(num_layers);
  std::vector<bool> slides(num_layers);
  for (std::size_t i = 0; i < num_layers; ++i) slides[i] = i >= first_sliding;
  if (config.has("layer_types")) {
    const base::Json& types = config.json()["layer_types"];
    if (!types.is_array() || types.size() != num_layers) {
      return fail(ErrorCode::kMalformed, "{}: layer_types must be a list of {} entries",
                  config.name(), num_layers);
    }
    for (std::size_t i = 0; i < num_layers; ++i) {
      if (types[i] != "sliding_attention" && types[i] != "full_attention") {
        return fail(ErrorCode::kUnsupported,
                    "{}: layer_types[{}] is {}, expected \"sliding_attention\" or "
                    "\"full_attention\"",
                    config.name(), i, types[i].dump().substr(0, 40));
      }
      slides[i] = types[i] == "sliding_attention";
    }
  }
  if (std::find(slides.begin(), slides.end(), true) == slides.end()) return windows;
  TRINE_ASSIGN_OR_RETURN(const auto window,
                         read_size_or(config, "sliding_window", kMaxPositions, absent));
  for (std::size_t i = 0; i < num_layers; ++i) {
    if (slides[i]) windows[i] = window;
  }
  return windows;
}

Result<std::vector<std::size_t>> read_indices(const base::JsonFields& config,
                                              std::string_view field) {
  std::vector<std::size_t> indices;
  if (!config.has(field)) return indices;
  const base::Json& list = config.json()[std::string(field)];
  const bool is_list = list.is_array() && list.size() <= static_cast<std::size_t>(kMaxLayers);
  if (is_list) {
    for (const base::Json& item : list) {
      if (!item.is_number_unsigned() || item > kMaxLayers) break;
      indices.push_back(item.get<std::size_t>());
    }
  }
  if (!is_list || indices.size() != list.size()) {
    return fail(ErrorCode::kMalformed, "{}: {} must be a list of layer indices", config.name(),
                field);
  }
  return indices;
}

}  // namespace trine::models
