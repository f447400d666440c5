// The text and bytes of single tokens, as they are in the middle of a text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "input/tokenizer.h"

namespace trine::api {

/// Immutable; from several threads at once.
class TokenTexts {
 public:
  /// `tokenizer` must outlive it.
  explicit TokenTexts(const input::Tokenizer& tokenizer);

  /// What the token adds to a text; U+FFFD where it is a part of a character. Special tokens are
  /// spelled out.
  [[nodiscard]] std::string text(std::int32_t token) const;
  /// The same as bytes: a part of a character is itself.
  [[nodiscard]] std::string bytes(std::int32_t token) const;

 private:
  const input::Tokenizer* tokenizer_;
  std::optional<std::int32_t> anchor_{};  ///< a letter, to have something before the token
  std::string anchor_text_{};
};

}  // namespace trine::api
