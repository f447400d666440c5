// Whole files in and out; writes are atomic.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace trine::base {

/// The whole file as bytes. kNotFound, kIo, or kMalformed when it is longer than `max_bytes`.
[[nodiscard]] Result<std::string> read_text_file(const std::filesystem::path& path,
                                                 std::size_t max_bytes);

/// A file being written. Nothing is visible under its path until commit(), which flushes to the
/// disk (fsync) and renames; a writer that dies or is destroyed before leaves the old file alone.
class AtomicFile {
 public:
  /// Creates `<path>.partial` (replacing a left-over one) for writing.
  [[nodiscard]] static Result<AtomicFile> create(const std::filesystem::path& path);

  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  [[nodiscard]] Status write(std::span<const std::uint8_t> bytes);
  [[nodiscard]] Status write(std::string_view text);
  /// Leaves the partial file where it is instead of removing it. The last call on this object.
  void keep() noexcept;
  /// fsync and rename to the final path. The last call on this object.
  [[nodiscard]] Status commit();

 private:
  AtomicFile(int descriptor, std::filesystem::path path) noexcept;
  [[nodiscard]] std::filesystem::path partial_path() const;

  int descriptor_ = -1;
  std::filesystem::path path_;
};

/// The whole of a small file at once: create, write, commit.
[[nodiscard]] Status write_file_atomically(const std::filesystem::path& path,
                                           std::string_view text);

/// kIo, with both figures, when the file system of `directory` has less than `bytes` free.
[[nodiscard]] Status require_space(const std::filesystem::path& directory, std::uint64_t bytes);

/// Makes a directory's entries durable: a rename inside it survives a power cut.
[[nodiscard]] Status sync_directory(const std::filesystem::path& directory);

}  // namespace trine::base
