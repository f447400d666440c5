// Memory that no cache holds, for measuring how fast it can be read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"

namespace trine::eval {

/// Bytes of the last-level cache; 0 when the system does not say.
[[nodiscard]] std::size_t last_level_cache_bytes();

/// 16 times the last-level cache and at least 512 MiB, so that a pass finds less than a sixteenth
/// of its bytes in the cache; at most a quarter of the machine's memory.
/// @param quick 64 MiB instead.
[[nodiscard]] std::size_t uncached_bytes(bool quick);

/// Aligned to 2 MiB and in huge pages where the system has them: with pages of 4 kB a pass over
/// 512 MiB misses the translation buffers 131072 times. Moves only.
class LargeBuffer {
 public:
  /// kIo when the system has no such memory. Content is 0.
  [[nodiscard]] static Result<LargeBuffer> allocate(std::size_t bytes);
  LargeBuffer(LargeBuffer&& other) noexcept;
  LargeBuffer& operator=(LargeBuffer&& other) noexcept;
  ~LargeBuffer();

  [[nodiscard]] std::span<std::uint8_t> bytes() const noexcept { return {data_, size_}; }

 private:
  LargeBuffer(void* mapping, std::size_t mapped, std::size_t size) noexcept;

  void* mapping_ = nullptr;
  std::size_t mapped_ = 0;
  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace trine::eval
