#include "checkpoint/companion_files.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace trine::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 12> kNotCompanions = {
    ".safetensors", ".index.json", ".bin",  ".pt",  ".pth",     ".ckpt",
    ".gguf",        ".h5",         ".onnx", ".npz", ".msgpack", ".partial",
};

bool may_be_companion(std::string_view name) {
  if (name.starts_with('.') || name == "config.json") return false;
  return std::none_of(kNotCompanions.begin(), kNotCompanions.end(),
                      [name](std::string_view ending) { return name.ends_with(ending); });
}

}  // namespace

Result<std::vector<fs::path>> list_companion_files(const fs::path& directory) {
  std::error_code error;
  std::vector<fs::path> names;
  fs::directory_iterator entry(directory, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    std::error_code unreadable;  // a dangling link is no companion, and no error either
    if (!entry->is_regular_file(unreadable) ||
        entry->file_size(unreadable) > kMaxCompanionBytes || unreadable) {
      continue;
    }
    const fs::path name = entry->path().filename();
    if (may_be_companion(name.string())) names.push_back(name);
  }
  if (error) {
    const bool missing = error == std::errc::no_such_file_or_directory;
    return fail(missing ? ErrorCode::kNotFound : ErrorCode::kIo, "{}: cannot list: {}",
                directory.string(), error.message());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace trine::checkpoint
