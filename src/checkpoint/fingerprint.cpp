#include "checkpoint/fingerprint.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <span>

#include "base/dtype.h"
#include "base/hash.h"

namespace trine::checkpoint {
namespace {

constexpr std::size_t kSampleBytes = 512;

std::uint64_t hash_of(const std::string& text) {
  return base::xxh3({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

/// Beginning, middle and end of a tensor; all of a small one.
std::string samples_of(std::span<const std::uint8_t> bytes) {
  if (bytes.size() <= 3 * kSampleBytes) return base::to_hex(base::xxh3(bytes));
  const std::size_t last = bytes.size() - kSampleBytes;
  std::string samples;
  for (const std::size_t first : {std::size_t{0}, last / 2, last}) {
    samples += base::to_hex(base::xxh3(bytes.subspan(first, kSampleBytes)));
  }
  return samples;
}

}  // namespace

std::string fingerprint(const Checkpoint& source) {
  std::string all;
  for (const StoredTensor& tensor : source.tensors()) {
    all += fmt::format("{} {} [{}] {}\n", tensor.name, name_of(tensor.view.dtype),
                       fmt::join(tensor.view.shape, ","), samples_of(tensor.view.bytes));
  }
  return base::to_hex(hash_of(all));
}

}  // namespace trine::checkpoint
