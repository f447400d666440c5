// Writes a packed model: shards, index, manifest, config and companions, all or nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/atomic_directory.h"
#include "base/json.h"
#include "base/result.h"
#include "base/safetensors_writer.h"
#include "packed/journal.h"
#include "packed/manifest.h"

namespace trine::packed {

inline constexpr std::uint64_t kMaxShardBytes = 5'000'000'000;

/// The stored form of a packed matrix as a tensor: U8 [row blocks, groups, block bytes].
[[nodiscard]] base::TensorPlan packed_tensor_plan(std::string_view name,
                                                  const PackedLayout& layout);

/// Everything that is stored of the matrix `name`: its codes and, with a compensator, its factors.
[[nodiscard]] std::vector<base::TensorPlan> matrix_tensor_plans(std::string_view name,
                                                                const MatrixRecord& record);

/// Bytes a tensor of this plan takes.
[[nodiscard]] std::uint64_t bytes_of(const base::TensorPlan& tensor);

/// Tensors are appended whole, in the order of the plan; nothing is visible under the target
/// directory before finish(). The same calls give the same bytes.
class PackedWriter {
 public:
  /// @param tensors everything to be stored, packed matrices with their factors first: each
  ///        of their sizes is a multiple of 64 bytes, so in every shard they then lie aligned.
  /// kInvalidArgument when the directory exists, kIo when the disk has too little space.
  [[nodiscard]] static Result<PackedWriter> create(
      const std::filesystem::path& directory, std::vector<base::TensorPlan> tensors,
      std::uint64_t max_shard_bytes = kMaxShardBytes);

  /// The bytes of the next tensor of the plan. Their checksum goes into the manifest.
  /// @return where they are.
  [[nodiscard]] Result<StoredPiece> append(std::span<const std::uint8_t> bytes);

  /// Notes that a matrix is written, for a later run should this one not finish.
  [[nodiscard]] Status note(const FinishedMatrix& matrix) { return journal_.add(matrix); }

  /// Leaves what is written for a later run. The last call.
  void keep() noexcept;

  /// Copies one file of the original, unchanged.
  [[nodiscard]] Status copy_companion(const std::filesystem::path& source);

  /// Writes manifest (with checksums and stored_bytes filled in), index and config (with
  /// quantization_config added) and makes the directory visible. The last call.
  [[nodiscard]] Status finish(base::Json config, Manifest& manifest);

 private:
  struct Shard {
    std::string file{};
    std::size_t first = 0;  ///< index of its first tensor in the plan
    std::size_t end = 0;
  };

  PackedWriter(base::AtomicDirectory directory, Journal journal,
               std::vector<base::TensorPlan> tensors, std::uint64_t max_shard_bytes);
  [[nodiscard]] Status open_shard();
  [[nodiscard]] Status write_json(const char* file, const base::Json& json) const;
  [[nodiscard]] base::Json index_json() const;

  base::AtomicDirectory directory_;
  Journal journal_;
  std::vector<base::TensorPlan> tensors_;
  std::vector<Shard> shards_{};
  std::size_t next_tensor_ = 0;
  std::size_t next_shard_ = 0;
  std::optional<base::SafetensorsWriter> shard_{};
  std::map<std::string, std::string> checksums_{};
  std::uint64_t stored_bytes_ = 0;
};

}  // namespace trine::packed
