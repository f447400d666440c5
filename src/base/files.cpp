#include "base/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/mapped_file.h"

namespace trine::base {

Result<std::string> read_text_file(const std::filesystem::path& path, std::size_t max_bytes) {
  TRINE_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(path));
  const auto bytes = file.bytes();
  if (bytes.size() > max_bytes) {
    return fail(ErrorCode::kMalformed, "{}: {} bytes long, at most {} are read", path.string(),
                bytes.size(), max_bytes);
  }
  return std::string(bytes.begin(), bytes.end());
}

AtomicFile::AtomicFile(int descriptor, std::filesystem::path path) noexcept
    : descriptor_(descriptor), path_(std::move(path)) {}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), path_(std::move(other.path_)) {}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(partial_path().c_str());
}

std::filesystem::path AtomicFile::partial_path() const { return path_.string() + ".partial"; }

Result<AtomicFile> AtomicFile::create(const std::filesystem::path& path) {
  const std::string partial = path.string() + ".partial";
  const int descriptor =
      ::open(partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor < 0) {
    return fail(ErrorCode::kIo, "{}: cannot create: {}", partial, std::strerror(errno));
  }
  return AtomicFile(descriptor, path);
}

Status AtomicFile::write(std::span<const std::uint8_t> bytes) {
  constexpr std::size_t kLargestWrite = 1u << 30;  // Linux writes at most 2 GiB − 4 kB at once
  while (!bytes.empty()) {
    const auto written =
        ::write(descriptor_, bytes.data(), std::min(bytes.size(), kLargestWrite));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      return fail(ErrorCode::kIo, "{}: cannot write: {}", partial_path().string(),
                  std::strerror(errno));
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

Status AtomicFile::write(std::string_view text) {
  return write(std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

void AtomicFile::keep() noexcept {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

Status AtomicFile::commit() {
  if (::fsync(descriptor_) != 0 || ::rename(partial_path().c_str(), path_.c_str()) != 0) {
    return fail(ErrorCode::kIo, "{}: cannot finish: {}", path_.string(), std::strerror(errno));
  }
  ::close(std::exchange(descriptor_, -1));
  return {};
}

Status write_file_atomically(const std::filesystem::path& path, std::string_view text) {
  TRINE_ASSIGN_OR_RETURN(auto file, AtomicFile::create(path));
  TRINE_RETURN_IF_ERROR(file.write(text));
  return file.commit();
}

Status require_space(const std::filesystem::path& directory, std::uint64_t bytes) {
  std::error_code error;
  const auto space = std::filesystem::space(directory, error);
  if (error || space.available >= bytes) return {};  // a system that cannot say is given a try
  return fail(ErrorCode::kIo, "{}: needs {} bytes, {} are free", directory.string(), bytes,
              space.available);
}

Status sync_directory(const std::filesystem::path& directory) {
  const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = descriptor >= 0 && ::fsync(descriptor) == 0;
  const int sync_errno = errno;
  if (descriptor >= 0) ::close(descriptor);
  if (synced) return {};
  return fail(ErrorCode::kIo, "{}: cannot sync: {}", directory.string(),
              std::strerror(sync_errno));
}

}  // namespace trine::base
