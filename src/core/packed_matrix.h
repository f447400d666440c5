// A quantized matrix in the bytes of the file, used in place by the kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace trine {

inline constexpr std::size_t kBlockRows = 16;    ///< outputs in one block: one 512-bit register
inline constexpr std::size_t kChunkInputs = 32;  ///< inputs whose codes share `bits` lines
inline constexpr std::size_t kMostGroupSize = 128;
inline constexpr std::size_t kLineBytes = 64;  ///< a cache line; all parts of a block are lines

/// True for the widths and group sizes the packed format knows.
[[nodiscard]] constexpr bool is_packable(int bits, std::size_t group_size) noexcept {
  const bool width = bits >= 2 && bits <= 8 && bits != 7;
  return width && (group_size == 32 || group_size == 64 || group_size == 128);
}

/// True for the widths of scales and zeros the packed format knows.
[[nodiscard]] constexpr bool is_metadata_width(int metadata_bits) noexcept {
  return metadata_bits == 16 || metadata_bits == 8;
}

/// Geometry of one packed matrix: row blocks of kBlockRows outputs, each a run of groups of
/// inputs. A group is group_size / 32 chunks of `bits` lines of codes, then its scales and zeros:
///
/// * metadata_bits 16: one line of 16 scales and 16 zeros (fp16) after every group;
/// * metadata_bits 8: one line of 16 + 16 fp16 row factors before the first group, and after every
///   pair of groups one line, half for each, of 16 + 16 bytes that the row factors turn into
///   scales and zeros.
///
/// Every byte is defined in docs/format.md.
struct PackedLayout {
  std::size_t out_features = 0;
  std::size_t in_features = 0;
  int bits = 0;
  std::size_t group_size = 0;
  int metadata_bits = 16;

  [[nodiscard]] bool operator==(const PackedLayout&) const = default;

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
  /// Where the codes of a group begin in its row block.
  [[nodiscard]] constexpr std::size_t codes_offset(std::size_t group) const noexcept {
    if (metadata_bits == 16) return group * (codes_bytes() + kLineBytes);
    return kLineBytes + group / 2 * (2 * codes_bytes() + kLineBytes) +
           group % 2 * codes_bytes();
  }
  /// Where the scales of a group begin in its row block; its zeros follow them.
  [[nodiscard]] constexpr std::size_t metadata_offset(std::size_t group) const noexcept {
    if (metadata_bits == 16) return codes_offset(group) + codes_bytes();
    const bool is_alone = group % 2 == 0 && group + 1 == num_groups();
    return codes_offset(group / 2 * 2) + (is_alone ? 1 : 2) * codes_bytes() +
           group % 2 * (kLineBytes / 2);
  }
  [[nodiscard]] constexpr std::size_t row_block_bytes() const noexcept {
    const std::size_t groups = num_groups();
    if (metadata_bits == 16) return groups * (codes_bytes() + kLineBytes);
    return kLineBytes + groups * codes_bytes() + (groups + 1) / 2 * kLineBytes;
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
