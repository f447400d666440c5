// Are the normalization rules of a SentencePiece model safe to search?
#pragma once

#include <cstddef>
#include <string_view>

#include "base/result.h"

namespace trine::input {

/// Longest precompiled_charsmap that is read; the rules of NFKC with case folding have 0.3 MB.
inline constexpr std::size_t kMostCharsmapBytes = std::size_t{4} << 20;

/// libsentencepiece searches the rules as they are stored, without a look at bounds. This looks:
/// at every place in the trie that some text can lead to, and at every replacement.
///
/// `charsmap` is a 32-bit size, a double-array trie of that size (Darts-clone, Yata 2008; units of
/// 32 bits), then the replacements in UTF-8, each with a zero behind it. kMalformed says what is
/// wrong; an empty charsmap means no rules and passes.
[[nodiscard]] Status check_charsmap(std::string_view charsmap);

}  // namespace trine::input
