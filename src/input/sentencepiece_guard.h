// What a tokenizer.model must be before libsentencepiece sees it.
#pragma once

#include <string_view>

#include "base/result.h"

namespace trine::input {

/// libsentencepiece trusts its models: hostile ones make version 0.1.97 overflow the stack and read
/// outside its buffers. This reads the model (sentencepiece_model.proto, a protobuf message) with
/// limits, and lets through what the library is known to handle: Unigram and BPE models, pieces in
/// UTF-8 without zeros, scores that are numbers, rules that check_charsmap() passes.
///
/// Takes one walk over `bytes`; some milliseconds for 32,000 pieces. `name` stands in error
/// sentences. kUnsupported for the types Word and Char; kMalformed, "not a SentencePiece model",
/// otherwise.
[[nodiscard]] Status check_sentencepiece_model(std::string_view bytes, std::string_view name);

}  // namespace trine::input
