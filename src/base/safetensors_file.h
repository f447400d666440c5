// A safetensors file, mapped and checked.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "base/result.h"
#include "base/safetensors_header.h"

namespace trine::base {

/// Layout: 8 bytes header length N (little endian), N bytes of JSON, then the tensors' bytes.
/// Moves, never copies; entries and bytes stay where they are when it moves. Thread-safe.
class SafetensorsFile {
 public:
  /// Maps `path` and checks the whole header; tensor bytes are not read. kNotFound or kIo when
  /// the file cannot be mapped, else the errors of parse_safetensors_header.
  [[nodiscard]] static Result<SafetensorsFile> open(const std::filesystem::path& path);

  /// Every tensor, in the order of their bytes.
  [[nodiscard]] std::span<const TensorEntry> tensors() const noexcept {
    return header_.tensors;
  }
  /// The tensor called `name`, or null.
  [[nodiscard]] const TensorEntry* find(std::string_view name) const noexcept;
  /// The bytes of one of tensors(). They may start at any address.
  [[nodiscard]] std::span<const std::uint8_t> bytes(const TensorEntry& entry) const noexcept {
    return data_.subspan(entry.offset_bytes, entry.size_bytes);
  }
  /// The header's `__metadata__`, empty when it has none.
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const noexcept {
    return header_.metadata;
  }
  /// All tensor bytes, one after the other.
  [[nodiscard]] std::span<const std::uint8_t> data() const noexcept { return data_; }
  /// The mapping below, to release pages of.
  [[nodiscard]] const MappedFile& file() const noexcept { return file_; }

 private:
  SafetensorsFile(MappedFile file, SafetensorsHeader header,
                  std::span<const std::uint8_t> data);

  MappedFile file_;
  SafetensorsHeader header_;
  std::span<const std::uint8_t> data_;
  std::vector<std::size_t> by_name_;  ///< indices into header_.tensors, sorted by name
};

}  // namespace trine::base
