// Writes a safetensors file as a stream: first the header, then the tensors' bytes in order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/files.h"
#include "base/result.h"
#include "base/safetensors_header.h"

namespace trine::base {

/// A tensor to be written.
struct TensorPlan {
  std::string name{};
  DType dtype = DType::kF32;
  std::vector<std::size_t> shape{};
};

/// The same plan, metadata and bytes always give the same file. Tensors lie in the order of the
/// plan without gaps, and the first starts at a multiple of kDataAlignment; a plan that puts
/// the tensors whose size is a multiple of kDataAlignment first keeps all of those aligned.
/// Nothing is visible under the path before finish(); a writer destroyed earlier leaves
/// nothing.
class SafetensorsWriter {
 public:
  static constexpr std::size_t kDataAlignment = 64;  ///< bytes; a cache line

  /// Writes the header. kInvalidArgument, naming the tensor, for a plan no reader would accept
  /// (a name twice, a size that overflows, …); kIo when the file cannot be created.
  [[nodiscard]] static Result<SafetensorsWriter> create(
      const std::filesystem::path& path, const std::vector<TensorPlan>& plan,
      const std::map<std::string, std::string>& metadata);

  /// The next bytes of the tensor being written; when it is full, the next one's turn comes.
  /// kInvalidArgument when they reach beyond its end, so a wrong size shows at its own tensor.
  [[nodiscard]] Status append(std::span<const std::uint8_t> bytes);

  /// Bytes of the file so far: where the next append() goes.
  [[nodiscard]] std::uint64_t position() const noexcept { return position_; }

  /// Leaves `<path>.partial` where it is. The last call.
  void keep() noexcept { file_.keep(); }

  /// Makes the file visible and durable under its path (fsync, rename). The last call.
  /// kInvalidArgument, naming the tensor, when bytes are missing.
  [[nodiscard]] Status finish();

 private:
  SafetensorsWriter(AtomicFile file, std::string name, std::vector<TensorEntry> tensors,
                    std::uint64_t header_bytes);
  void skip_full_tensors();

  AtomicFile file_;
  std::string name_;                  ///< the path, for error sentences
  std::vector<TensorEntry> tensors_;  ///< in the order of the plan
  std::size_t current_ = 0;           ///< index of the tensor being written
  std::size_t written_bytes_ = 0;     ///< of that tensor
  std::uint64_t position_ = 0;        ///< in the file
};

}  // namespace trine::base
