// Feeds a fuzz target every file of its corpus, whole and cut off at every length. A crash or a
// sanitizer's report fails the test.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

namespace fs = std::filesystem;

/// Prefixes are tried of the first bytes only; the work grows with the square.
constexpr std::size_t kMostPrefixes = 4096;

void run_file(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  const std::vector<char> content{std::istreambuf_iterator<char>(stream), {}};
  for (std::size_t size = 0; size < std::min(content.size(), kMostPrefixes); ++size) {
    // A copy of its own, so that AddressSanitizer sees a read beyond the end.
    const std::vector<std::uint8_t> prefix(content.begin(),
                                           content.begin() + static_cast<std::ptrdiff_t>(size));
    LLVMFuzzerTestOneInput(prefix.data(), prefix.size());
  }
  const std::vector<std::uint8_t> whole(content.begin(), content.end());
  LLVMFuzzerTestOneInput(whole.data(), whole.size());
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t num_files = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& entry : fs::directory_iterator(argv[i])) {
      run_file(entry.path());
      ++num_files;
    }
  }
  std::printf("%zu files\n", num_files);
  return num_files > 0 ? 0 : 1;
}
