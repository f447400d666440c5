// A file mapped read-only into memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include "base/result.h"

namespace trine::base {

/// Owns one read-only mapping; the bytes stay valid while it lives. Moves, never copies.
/// Thread-safe for reading.
class MappedFile {
 public:
  /// kNotFound when the path does not exist, kIo when it cannot be mapped.
  [[nodiscard]] static Result<MappedFile> open(const std::filesystem::path& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  [[nodiscard]] std::span<const std::uint8_t> bytes() const noexcept { return {data_, size_}; }

  /// Lets the kernel drop the resident pages that lie wholly inside `part` (a sub-span of
  /// bytes()). They come back from the file when read again; only memory use changes.
  void release_pages(std::span<const std::uint8_t> part) const noexcept;

 private:
  MappedFile(const std::uint8_t* data, std::size_t size) noexcept : data_(data), size_(size) {}

  const std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace trine::base
