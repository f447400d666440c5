// The tokenizer that a tokenizer.json describes.
#pragma once

#include <filesystem>
#include <memory>

#include "base/result.h"
#include "input/tokenizer.h"
#include "input/tokenizer_config.h"

namespace trine::input {

/// Reads a tokenizer.json. kMalformed for content that breaks the format, kUnsupported for a
/// part that Trine does not know; both name the place, and the latter lists what is known.
/// "truncation" and "padding" are not read: they serve training, and inference ignores them.
[[nodiscard]] Result<std::unique_ptr<Tokenizer>> open_json_tokenizer(
    const std::filesystem::path& path, const TokenizerConfig& config);

}  // namespace trine::input
