// The special tokens put around a sequence.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "input/json_part.h"

namespace trine::input {

/// What encode() adds on request: for Llama, BOS before and nothing after.
struct SpecialTokenFrame {
  std::vector<std::int32_t> before{};
  std::vector<std::int32_t> after{};
};

/// Reads one part of tokenizer.json and puts what it adds around `frame`.
using PostProcessorReader = Status(const JsonPart& part, SpecialTokenFrame& frame);

/// Reads "post_processor". kUnsupported lists the known types.
PostProcessorReader read_post_processor;

}  // namespace trine::input
