// The settings of SentencePiece's spelling of spaces, shared by pre-tokenizer and decoder.
#pragma once

#include <string>

#include "base/result.h"
#include "input/json_part.h"

namespace trine::input {

/// Where the replacement is put in front, if none stands there.
enum class PrependScheme {
  kAlways,  ///< of every stretch between added tokens
  kFirst,   ///< of the stretch that begins the input
  kNever,
};

struct Metaspace {
  std::string replacement = "\xE2\x96\x81";  ///< U+2581 "▁": one character, for a space
  PrependScheme prepend_scheme = PrependScheme::kAlways;
  bool split = true;  ///< every replacement begins a word
};

/// Reads "replacement", "prepend_scheme", its forerunner "add_prefix_space", and "split".
[[nodiscard]] Result<Metaspace> read_metaspace(const JsonPart& part);

}  // namespace trine::input
