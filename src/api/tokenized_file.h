// A whole text file as token ids.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace trine::api {

/// The text of `text_file` as the tokenizer of the directory `model` sees it, with what the model
/// expects around a sequence. kMalformed for a file above 1 GiB; else the errors of opening the
/// two. TextStream (api/text_stream.h) is for text that need not lie in memory as a whole.
[[nodiscard]] Result<std::vector<std::int32_t>> tokenize_file(const std::string& model,
                                                              const std::string& text_file);

}  // namespace trine::api
