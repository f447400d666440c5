// The JSON header of a safetensors file: what tensors there are, and where.
// Format: https://github.com/huggingface/safetensors, section "Format" of its README.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "base/result.h"

namespace trine::base {

inline constexpr std::size_t kMaxSafetensorsHeaderBytes = 100'000'000;  ///< set by the format
inline constexpr std::size_t kMaxTensors = 1'000'000;
inline constexpr std::size_t kMaxTensorRank = 16;
inline constexpr std::size_t kMaxTensorNameBytes = 1024;
inline constexpr std::string_view kMetadataKey = "__metadata__";

/// One tensor as its header names it.
struct TensorEntry {
  std::string name{};
  DType dtype = DType::kF32;
  std::vector<std::size_t> shape{};  ///< empty for a scalar; an extent may be 0
  std::size_t offset_bytes = 0;      ///< from the start of the data section
  std::size_t size_bytes = 0;
};

struct SafetensorsHeader {
  std::vector<TensorEntry> tensors{};  ///< in the order of their bytes
  std::map<std::string, std::string> metadata{};
};

/// Parses a header and holds it to every rule of the format: no key twice, known fields and
/// number types, sizes that follow from the shapes, and tensors that fill the data section of
/// `data_bytes` bytes from its first byte to its last, without hole or overlap.
/// Errors name `file` and the tensor: kUnsupported for a number type we do not know,
/// kMalformed for everything else. Safe on any input.
[[nodiscard]] Result<SafetensorsHeader> parse_safetensors_header(std::string_view text,
                                                                 std::size_t data_bytes,
                                                                 std::string_view file);

/// Bytes of a tensor: product of the extents × width. kMalformed, with `where` in the sentence,
/// when the rank is above kMaxTensorRank, the size overflows or is no whole number of bytes.
[[nodiscard]] Result<std::size_t> tensor_size_bytes(DType dtype,
                                                    std::span<const std::size_t> shape,
                                                    std::string_view where);

/// "[4096, 256]", for error sentences.
[[nodiscard]] std::string shape_text(std::span<const std::size_t> shape);

}  // namespace trine::base
