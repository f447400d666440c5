// The tokenizer that a tokenizer.json describes.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "input/tokenizer.h"
#include "input/tokenizer_config.h"

namespace trine::input {

/// Reads the text of a tokenizer.json. kMalformed for content that breaks the format,
/// kUnsupported for a part that Trine does not know; both name `file` and the place in it, and
/// the latter lists what is known. "truncation" and "padding" are not read: they serve training,
/// and inference ignores them. Safe on any input.
[[nodiscard]] Result<std::unique_ptr<Tokenizer>> parse_json_tokenizer(
    std::string_view text, const std::string& file, const TokenizerConfig& config);

/// parse_json_tokenizer of a whole file; kNotFound or kIo when it cannot be read.
[[nodiscard]] Result<std::unique_ptr<Tokenizer>> open_json_tokenizer(
    const std::filesystem::path& path, const TokenizerConfig& config);

}  // namespace trine::input
