// The tokens "<0x00>" to "<0xFF>", which spell characters that a vocabulary lacks.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/result.h"
#include "input/json_part.h"
#include "input/vocabulary.h"

namespace trine::input {

/// Ids by byte.
using ByteIds = std::array<std::int32_t, 256>;

/// Reads "byte_fallback" of a model: nothing if it is false or absent. kMalformed when it is
/// true and one of the tokens is not there.
[[nodiscard]] Result<std::optional<ByteIds>> read_byte_ids(const JsonPart& model,
                                                           const Vocabulary& vocabulary);

}  // namespace trine::input
