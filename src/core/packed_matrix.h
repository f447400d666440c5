// A quantized matrix in the bytes of the file, used in place by the kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace trine {

inline constexpr std::size_t kBlockRows = 16;    ///< outputs in one block: one 512-bit register
inline constexpr std::size_t kChunkInputs = 32;  ///< inputs whose codes share `bits` lines
inline constexpr std::size_t kLineBytes = 64;  ///< a cache line; all parts of a block are lines

/// True for the widths and group sizes the packed format knows.
[[nodiscard]] constexpr bool is_packable(int bits, std::size_t group_size) noexcept {
  const bool width = bits >= 2 && bits <= 8 && bits != 7;
  return width && (group_size == 32 || group_size == 64 || group_size == 128);
}

/// Geometry of one packed matrix. A block holds kBlockRows outputs × one group of inputs:
/// group_size / 32 chunks of `bits` lines, then one line of 16 scales and 16 zeros (fp16).
/// Blocks lie row block after row block, groups in order. Every byte is defined in
/// docs/format.md.
struct PackedLayout {
  std::size_t out_features = 0;
  std::size_t in_features = 0;
  int bits = 0;
  std::size_t group_size = 0;

  [[nodiscard]] constexpr std::size_t num_row_blocks() const noexcept {
    return (out_features + kBlockRows - 1) / kBlockRows;
  }
  [[nodiscard]] constexpr std::size_t num_groups() const noexcept {
    return (in_features + group_size - 1) / group_size;
  }
  [[nodiscard]] constexpr std::size_t num_chunks_per_group() const noexcept {
    return group_size / kChunkInputs;
  }
  [[nodiscard]] constexpr std::size_t codes_bytes() const noexcept {
    return num_chunks_per_group() * static_cast<std::size_t>(bits) * kLineBytes;
  }
  [[nodiscard]] constexpr std::size_t block_bytes() const noexcept {
    return codes_bytes() + kLineBytes;
  }
  [[nodiscard]] constexpr std::size_t row_block_bytes() const noexcept {
    return num_groups() * block_bytes();
  }
  [[nodiscard]] constexpr std::size_t total_bytes() const noexcept {
    return num_row_blocks() * row_block_bytes();
  }
};

/// A packed matrix somebody else owns (usually a mapped file); blocks are 64-byte aligned.
struct PackedMatrixView {
  PackedLayout layout{};
  std::span<const std::uint8_t> blocks{};
};

}  // namespace trine
