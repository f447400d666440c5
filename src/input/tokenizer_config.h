// The few settings of tokenizer_config.json that change token ids.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "base/result.h"

namespace trine::input {

/// What holds when tokenizer_config.json is absent or silent is the default here.
struct TokenizerConfig {
  // The first three are used with a SentencePiece model; tokenizer.json says these things itself.
  bool add_bos_token = true;
  std::optional<bool> add_eos_token{};  ///< Llama's files leave it out for no, T5's for yes
  std::int64_t num_extra_tokens = 0;    ///< "extra_ids": T5's <extra_id_0>, <extra_id_1>, …
  std::optional<std::string> bos_token{};  ///< spelled as in the vocabulary
  std::optional<std::string> eos_token{};
};

/// Reads `tokenizer_config.json` of a model directory; defaults when there is no such file.
/// kMalformed names a field of the wrong type.
[[nodiscard]] Result<TokenizerConfig> read_tokenizer_config(
    const std::filesystem::path& model_directory);

}  // namespace trine::input
