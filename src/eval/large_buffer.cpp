#include "eval/large_buffer.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <utility>

#include "base/huge_pages.h"

namespace trine::eval {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;
constexpr std::size_t kHugePage = 2 * kMiB;

}  // namespace

std::size_t last_level_cache_bytes() {
  // sysconf knows less: glibc says 320 MiB of a virtual Zen 4 where a core can fill 32.
  std::size_t largest = 0;
  for (int index = 0; index < 8; ++index) {
    std::ifstream file(fmt::format("/sys/devices/system/cpu/cpu0/cache/index{}/size", index));
    std::size_t size = 0;
    char unit = 'B';
    if (!(file >> size)) continue;
    file >> unit;
    largest = std::max(largest, size * (unit == 'K' ? 1024 : unit == 'M' ? kMiB : 1));
  }
  if (largest > 0) return largest;
  const long bytes = ::sysconf(_SC_LEVEL3_CACHE_SIZE);
  return bytes > 0 ? static_cast<std::size_t>(bytes) : 0;
}

std::size_t uncached_bytes(bool quick) {
  if (quick) return 64 * kMiB;
  const auto pages = static_cast<std::size_t>(std::max(::sysconf(_SC_PHYS_PAGES), 1L));
  const auto page_bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t most = pages * page_bytes / 4;
  const std::size_t wanted = std::max(512 * kMiB, 16 * last_level_cache_bytes());
  return std::max(std::min(wanted, most) / kHugePage * kHugePage, kHugePage);
}

LargeBuffer::LargeBuffer(void* mapping, std::size_t mapped, std::size_t size) noexcept
    : mapping_(mapping), mapped_(mapped), size_(size) {
  const auto address = reinterpret_cast<std::uintptr_t>(mapping);
  data_ = static_cast<std::uint8_t*>(mapping) + (kHugePage - address % kHugePage) % kHugePage;
}

Result<LargeBuffer> LargeBuffer::allocate(std::size_t bytes) {
  const std::size_t mapped = bytes + kHugePage;
  void* mapping =
      ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) {
    return fail(ErrorCode::kIo, "{} MiB of memory are not to be had for the measurement",
                bytes / kMiB);
  }
  base::advise_huge_pages(mapping, mapped);  // without them the figures are lower
  return LargeBuffer(mapping, mapped, bytes);
}

LargeBuffer::LargeBuffer(LargeBuffer&& other) noexcept
    : mapping_(std::exchange(other.mapping_, nullptr)),
      mapped_(other.mapped_),
      data_(other.data_),
      size_(other.size_) {}

LargeBuffer& LargeBuffer::operator=(LargeBuffer&& other) noexcept {
  std::swap(mapping_, other.mapping_);
  std::swap(mapped_, other.mapped_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

LargeBuffer::~LargeBuffer() {
  if (mapping_ != nullptr) ::munmap(mapping_, mapped_);
}

}  // namespace trine::eval
