// What a run that was interrupted had finished, so that the next one need not do it again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace trine::packed {

/// Bytes of one stored tensor in a file of the run's directory. While a shard is being written
/// it is called `<file>.partial`.
struct StoredPiece {
  std::string file{};
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::string xxh3{};
};

/// A matrix that was compressed and written.
struct FinishedMatrix {
  std::string name{};
  std::string key{};  ///< hash of everything its bytes depend on
  std::vector<StoredPiece> pieces{};
  double squared_error = 0.0;
  double squared_norm = 0.0;
  std::uint64_t nonfinite = 0;  ///< infinities and NaNs that were packed as 0
  std::vector<double> trace{};
};

/// One line of JSON per matrix, written after the matrix's bytes.
class Journal {
 public:
  static constexpr const char* kFile = "finished.jsonl";

  [[nodiscard]] static Result<Journal> create(const std::filesystem::path& directory);
  /// kIo when the line cannot be written; it is with the system before this returns.
  [[nodiscard]] Status add(const FinishedMatrix& matrix);
  /// Removes the file: a finished model has no journal.
  [[nodiscard]] Status remove();

 private:
  explicit Journal(std::filesystem::path path) : path_(std::move(path)) {}

  std::filesystem::path path_;
  std::ofstream file_{};
};

/// What an interrupted run left behind. Nothing of it is trusted: a piece counts when its key is
/// the wanted one and its bytes have the checksum of the journal.
class EarlierRun {
 public:
  /// Moves `<target>.partial` to `<target>.previous`. If both are there, the one with fewer
  /// finished matrices is removed: a resumed run was interrupted before it got as far.
  [[nodiscard]] static Result<EarlierRun> take(const std::filesystem::path& target);

  /// Removes what earlier runs left beside `target`.
  static void discard(const std::filesystem::path& target);

  [[nodiscard]] std::size_t size() const noexcept { return matrices_.size(); }
  [[nodiscard]] const FinishedMatrix* find(const std::string& name,
                                           const std::string& key) const;
  /// The bytes of every piece; nothing when a file is missing, too short or damaged.
  [[nodiscard]] std::optional<std::vector<std::vector<std::uint8_t>>> read(
      const FinishedMatrix& matrix) const;

 private:
  std::filesystem::path directory_{};
  std::map<std::string, FinishedMatrix> matrices_{};
};

}  // namespace trine::packed
