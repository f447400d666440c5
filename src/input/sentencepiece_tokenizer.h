// The tokenizer in a tokenizer.model, through libsentencepiece.
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "input/tokenizer.h"
#include "input/tokenizer_config.h"

namespace trine::input {

/// Reads a SentencePiece model (BPE or Unigram). kMalformed when it breaks the rules of
/// sentencepiece_guard.h or the library cannot read it, kUnsupported for other types of models.
///
/// Ids and text are those of the tokenizer.json that Hugging Face makes of the same model:
/// control pieces and unk spelled out in a text ("</s>") become their ids, and every stretch
/// between them gets its own leading space. Plain SentencePiece would spell "</s>" in pieces.
[[nodiscard]] Result<std::unique_ptr<Tokenizer>> open_sentencepiece_tokenizer(
    const std::filesystem::path& path, const TokenizerConfig& config);

/// The same of a file's content. `name` stands in error sentences.
[[nodiscard]] Result<std::unique_ptr<Tokenizer>> parse_sentencepiece_tokenizer(
    std::string_view bytes, std::string_view name, const TokenizerConfig& config);

}  // namespace trine::input
