// A model.safetensors.index.json from a stranger.
#include <cstdint>
#include <filesystem>
#include <string_view>

#include "base/json.h"
#include "base/safetensors_index.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto json = trine::base::parse_json(text, "fuzz");
  if (!json) return 0;
  const auto index = trine::base::parse_weight_index(*json, "fuzz");
  if (!index) return 0;
  // No name leads out of the model's directory.
  for (const auto& [tensor, file] : index->file_of) {
    const auto path = (std::filesystem::path("directory") / file).lexically_normal();
    if (path.parent_path() != "directory") __builtin_trap();
  }
  return 0;
}
