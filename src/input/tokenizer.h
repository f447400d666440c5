// Text to token ids and back. The one thing other rooms need from this one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace trine::input {

class Decoder;

/// Whether the tokens that stand for no text of the user's (<s>, </s>) take part.
/// encode(): kInclude adds what the model expects around a sequence, such as BOS.
/// decode(): kInclude writes them out, kExclude leaves them out.
enum class SpecialTokens { kInclude, kExclude };

/// A model's vocabulary and the rules that cut text into it. Immutable once opened: every
/// member may be called from several threads at once.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  /// Never fails. Every maximal ill-formed part of `text` that is not UTF-8 is first replaced
  /// by U+FFFD, as Python's errors="replace" does. Special tokens spelled out in `text`, such
  /// as "</s>", become their ids, whatever `special` says.
  [[nodiscard]] virtual std::vector<std::int32_t> encode(std::string_view text,
                                                         SpecialTokens special) const = 0;

  /// Valid UTF-8. Ids without a token are left out. A byte token that is not part of a valid
  /// character becomes one U+FFFD; with byte-level tokens, so does each maximal ill-formed part.
  [[nodiscard]] std::string decode(std::span<const std::int32_t> token_ids,
                                   SpecialTokens special) const;

  /// One more than the largest id; smaller ids may be without a token.
  [[nodiscard]] virtual std::size_t vocab_size() const noexcept = 0;

  /// The token as the vocabulary spells it ("▁the", "<0x0A>"); empty when there is none.
  [[nodiscard]] virtual std::string_view token_text(std::int32_t id) const noexcept = 0;

  /// True for tokens that decode() leaves out on request.
  [[nodiscard]] virtual bool is_special(std::int32_t id) const noexcept = 0;

  /// Begin and end of sequence, as far as the model's files name them.
  [[nodiscard]] virtual std::optional<std::int32_t> bos_id() const noexcept = 0;
  [[nodiscard]] virtual std::optional<std::int32_t> eos_id() const noexcept = 0;

  /// The steps from token texts to text, in order, for StreamingDetokenizer.
  [[nodiscard]] virtual std::span<const std::unique_ptr<const Decoder>> decoders()
      const noexcept = 0;

 protected:
  Tokenizer() = default;
};

/// Opens `tokenizer.json` of a model directory or, where there is none, `tokenizer.model`, or
/// T5's `spiece.model`; reads the names of BOS and EOS from `tokenizer_config.json`. kNotFound
/// when none is there; kMalformed and kUnsupported name the file, the place in it and what was
/// expected.
[[nodiscard]] Result<std::unique_ptr<Tokenizer>> open_tokenizer(
    const std::filesystem::path& model_directory);

}  // namespace trine::input
