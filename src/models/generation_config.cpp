#include "models/generation_config.h"

#include "models/config_reading.h"

namespace trine::models {
namespace {

constexpr const char* kField = "eos_token_id";
constexpr std::size_t kMostEndTokens = 256;

Result<std::vector<std::int32_t>> end_tokens_of(const base::JsonFields& fields) {
  std::vector<std::int32_t> tokens;
  if (!fields.has(kField)) return tokens;
  const base::Json& value = fields.json()[kField];
  const base::Json list = value.is_array() ? value : base::Json::array({value});
  if (list.size() > kMostEndTokens) {
    return fail(ErrorCode::kMalformed, "{}: {} names {} tokens, at most {} are read",
                fields.name(), kField, list.size(), kMostEndTokens);
  }
  for (const base::Json& item : list) {
    const base::Json wrapped = {{kField, item}};
    TRINE_ASSIGN_OR_RETURN(
        const auto token,
        base::JsonFields(wrapped, fields.name()).integer(kField, 0, kMaxVocabulary));
    tokens.push_back(static_cast<std::int32_t>(token));
  }
  return tokens;
}

}  // namespace

Result<std::vector<std::int32_t>> read_end_tokens(const std::filesystem::path& directory,
                                                  const base::Json& config) {
  const auto path = directory / "generation_config.json";
  std::error_code ignored;  // an unreadable entry is reported when it is read
  if (std::filesystem::exists(path, ignored)) {
    TRINE_ASSIGN_OR_RETURN(const base::Json json, base::read_json_file(path));
    if (!json.is_object()) {
      return fail(ErrorCode::kMalformed, "{}: expected a JSON object", path.string());
    }
    TRINE_ASSIGN_OR_RETURN(auto tokens, end_tokens_of(base::JsonFields(json, path.string())));
    if (!tokens.empty()) return tokens;
  }
  return end_tokens_of(base::JsonFields(config, (directory / "config.json").string()));
}

}  // namespace trine::models
