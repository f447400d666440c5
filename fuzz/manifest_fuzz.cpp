// A trine.json from a stranger.
#include <cstdint>
#include <string_view>

#include "base/json.h"
#include "packed/manifest.h"

using trine::packed::parse_manifest;
using trine::packed::to_json;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto json = trine::base::parse_json(text, "fuzz");
  if (!json) return 0;
  const auto manifest = parse_manifest(*json, "fuzz");
  if (!manifest) return 0;
  for (const auto& [name, record] : manifest->matrices) {
    const trine::PackedLayout& layout = record.layout;
    if (!trine::is_packable(layout.bits, layout.group_size)) __builtin_trap();
    if (layout.total_bytes() == 0 || layout.total_bytes() % 64 != 0) __builtin_trap();
  }
  // What is read is what would be written.
  const std::string written = to_json(*manifest).dump();
  const auto again = parse_manifest(trine::base::parse_json(written, "again").value(), "again");
  if (!again || to_json(*again).dump() != written) __builtin_trap();
  return 0;
}
