// Which tokens end a text.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace trine::models {

/// `eos_token_id` (a number or a list) of generation_config.json in `directory`, else of
/// `config`; empty when neither names one. kMalformed for anything that is not a token id.
[[nodiscard]] Result<std::vector<std::int32_t>> read_end_tokens(
    const std::filesystem::path& directory, const base::Json& config);

}  // namespace trine::models
