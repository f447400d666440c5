#include "base/atomic_directory.h"

#include <system_error>
#include <utility>

#include "base/files.h"

namespace trine::base {

AtomicDirectory::AtomicDirectory(std::filesystem::path target, std::filesystem::path partial)
    : target_(std::move(target)), partial_(std::move(partial)) {}

AtomicDirectory::AtomicDirectory(AtomicDirectory&& other) noexcept
    : target_(std::move(other.target_)), partial_(std::exchange(other.partial_, {})) {}

AtomicDirectory::~AtomicDirectory() {
  std::error_code ignored;
  if (!partial_.empty()) std::filesystem::remove_all(partial_, ignored);
}

namespace {

std::filesystem::path clean_of(const std::filesystem::path& target) {
  const std::filesystem::path clean = target.lexically_normal();
  return clean.has_filename() ? clean : clean.parent_path();  // "out/" names the same directory
}

}  // namespace

std::filesystem::path AtomicDirectory::partial_of(const std::filesystem::path& target) {
  return clean_of(target).string() + ".partial";
}

Result<AtomicDirectory> AtomicDirectory::create(const std::filesystem::path& target) {
  const std::filesystem::path clean = clean_of(target);
  std::error_code error;
  if (std::filesystem::exists(clean, error)) {
    return fail(ErrorCode::kInvalidArgument,
                "{}: exists already; choose another name or remove it first", clean.string());
  }
  const std::filesystem::path partial = partial_of(target);
  std::filesystem::remove_all(partial, error);
  if (!std::filesystem::create_directories(partial, error)) {
    return fail(ErrorCode::kIo, "{}: cannot create: {}", partial.string(), error.message());
  }
  return AtomicDirectory(clean, partial);
}

Status AtomicDirectory::commit() {
  TRINE_RETURN_IF_ERROR(sync_directory(partial_));
  std::error_code error;
  std::filesystem::rename(partial_, target_, error);
  if (error) {
    return fail(ErrorCode::kIo, "{}: cannot finish: {}", target_.string(), error.message());
  }
  partial_.clear();
  const auto parent = target_.has_parent_path() ? target_.parent_path() : ".";
  return sync_directory(parent);
}

}  // namespace trine::base
