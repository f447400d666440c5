// A directory that appears whole or not at all.
#pragma once

#include <filesystem>

#include "base/result.h"

namespace trine::base {

/// Work goes into `<target>.partial`; commit() renames it. A left-over partial directory of a run
/// that died is replaced by the next run; one destroyed before commit() is removed.
class AtomicDirectory {
 public:
  /// kInvalidArgument when `target` exists already: Trine never overwrites a model.
  [[nodiscard]] static Result<AtomicDirectory> create(const std::filesystem::path& target);

  AtomicDirectory(AtomicDirectory&& other) noexcept;
  AtomicDirectory& operator=(AtomicDirectory&&) = delete;
  AtomicDirectory(const AtomicDirectory&) = delete;
  AtomicDirectory& operator=(const AtomicDirectory&) = delete;
  ~AtomicDirectory();

  /// `<target>.partial`, whatever slashes the target ends with.
  [[nodiscard]] static std::filesystem::path partial_of(const std::filesystem::path& target);

  /// Leaves the partial directory where it is instead of removing it.
  void keep() noexcept { partial_.clear(); }

  /// Where to write until commit().
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return partial_; }
  /// Makes entries durable and renames. The last call.
  [[nodiscard]] Status commit();

 private:
  AtomicDirectory(std::filesystem::path target, std::filesystem::path partial);

  std::filesystem::path target_;
  std::filesystem::path partial_;
};

}  // namespace trine::base
