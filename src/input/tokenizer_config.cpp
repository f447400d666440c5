#include "input/tokenizer_config.h"

#include "base/json.h"

namespace trine::input {
namespace {

/// A token is written as a string, or as an object with its matching rules and "content".
Result<std::optional<std::string>> read_token(const base::JsonFields& config,
                                              std::string_view field) {
  if (!config.has(field)) return std::nullopt;
  if (!config.json().at(std::string(field)).is_object()) return config.string(field);
  TRINE_ASSIGN_OR_RETURN(const auto token, config.object(field));
  return token.string("content");
}

}  // namespace

Result<TokenizerConfig> read_tokenizer_config(const std::filesystem::path& model_directory) {
  const auto path = model_directory / "tokenizer_config.json";
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return TokenizerConfig{};
  TRINE_ASSIGN_OR_RETURN(const base::Json json, base::read_json_file(path));
  if (!json.is_object()) {
    return fail(ErrorCode::kMalformed, "{}: expected a JSON object", path.string());
  }
  const base::JsonFields fields(json, path.string());
  TokenizerConfig config;
  TRINE_ASSIGN_OR_RETURN(config.add_bos_token,
                         fields.boolean_or("add_bos_token", config.add_bos_token));
  if (fields.has("add_eos_token")) {
    TRINE_ASSIGN_OR_RETURN(config.add_eos_token, fields.boolean_or("add_eos_token", false));
  }
  constexpr std::int64_t kMostExtraTokens = 65536;  // T5 has 100
  TRINE_ASSIGN_OR_RETURN(config.num_extra_tokens,
                         fields.integer_or("extra_ids", 0, kMostExtraTokens, 0));
  TRINE_ASSIGN_OR_RETURN(config.bos_token, read_token(fields, "bos_token"));
  TRINE_ASSIGN_OR_RETURN(config.eos_token, read_token(fields, "eos_token"));
  return config;
}

}  // namespace trine::input
