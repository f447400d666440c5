// model.safetensors.index.json: which tensor lies in which file.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/json.h"
#include "base/result.h"

namespace trine::base {

struct WeightIndex {
  std::string path{};                            ///< of the index, for error sentences
  std::map<std::string, std::string> file_of{};  ///< tensor name → file name
  std::optional<double> total_bytes{};           ///< of all tensors; a whole number
};

/// Reads an index. kMalformed, with `path` in the sentence, when it names no tensor, when a file
/// name could lead out of the directory or does not end in ".safetensors", or when
/// metadata.total_size is no size. Safe on any JSON.
[[nodiscard]] Result<WeightIndex> parse_weight_index(const Json& json, std::string path);

}  // namespace trine::base
