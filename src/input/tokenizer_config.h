// The few settings of tokenizer_config.json that change token ids.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/result.h"

namespace trine::input {

/// What holds when tokenizer_config.json is absent or silent is the default here.
struct TokenizerConfig {
  bool add_bos_token = true;   ///< used with tokenizer.model; tokenizer.json has a template
  bool add_eos_token = false;  ///< likewise
  std::optional<std::string> bos_token{};  ///< spelled as in the vocabulary
  std::optional<std::string> eos_token{};
};

/// Reads `tokenizer_config.json` of a model directory; defaults when there is no such file.
/// kMalformed names a field of the wrong type.
[[nodiscard]] Result<TokenizerConfig> read_tokenizer_config(
    const std::filesystem::path& model_directory);

}  // namespace trine::input
