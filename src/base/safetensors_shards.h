// Which files of a directory hold the weights: one, or several with an index.
#pragma once

#include <filesystem>
#include <vector>

#include "base/result.h"
#include "base/safetensors_file.h"

namespace trine::base {

/// Opens model.safetensors, or every file that model.safetensors.index.json names, in the order
/// of their names. With an index these hold, else kMalformed says which one does not: file
/// names are plain and end in ".safetensors"; every tensor lies in the file the index gives it
/// and in no other; a file holds no tensor the index leaves out; metadata.total_size, if given,
/// is the sum of all tensor bytes. kNotFound when there are no weights or a named file is
/// missing; kMalformed when both model.safetensors and the index are there.
[[nodiscard]] Result<std::vector<SafetensorsFile>> open_safetensors_shards(
    const std::filesystem::path& directory);

}  // namespace trine::base
