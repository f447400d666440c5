// Codes, scales and zeros into the blocks of the packed format, and back. docs/format.md
// defines the bytes; this file is their one definition in C++.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/packed_matrix.h"
#include "core/quantized_matrix.h"

namespace trine::kernels {

/// Codes of one chunk, row-major: 16 outputs × 32 inputs.
using ChunkCodes = std::array<std::uint8_t, kBlockRows * kChunkInputs>;

/// Writes `bits` lines of 64 bytes.
void pack_chunk(const ChunkCodes& codes, int bits, std::uint8_t* lines) noexcept;

/// Reads `bits` lines of 64 bytes.
void unpack_chunk(const std::uint8_t* lines, int bits, ChunkCodes& codes) noexcept;

/// Scales and zeros of 16 outputs for one group.
struct BlockMetadata {
  std::array<float, kBlockRows> scales{};
  std::array<float, kBlockRows> zeros{};
};
[[nodiscard]] BlockMetadata read_metadata(const std::uint8_t* row_block,
                                          const PackedLayout& layout,
                                          std::size_t group) noexcept;

/// What the zeros of 8-bit metadata are counted from: the middle of the codes.
[[nodiscard]] constexpr float middle_code(int bits) noexcept {
  return static_cast<float>((1 << bits) - 1) / 2.0f;
}

/// The whole matrix as blocks, [layout.total_bytes()]. Rows and inputs beyond the matrix are
/// padded with code 0, scale 0, zero 0. Deterministic for any number of threads.
[[nodiscard]] std::vector<std::uint8_t> pack(const QuantizedMatrix& matrix, int threads);

/// Weights of one group of one row block as fp32, row r at weights + r · stride.
void dequantize_group(const PackedMatrixView& matrix, std::size_t row_block, std::size_t group,
                      float* weights, std::size_t stride) noexcept;

/// Weights of one row block as fp32, [16, num_groups · group_size] row-major, computed as
/// (float(code) − zero) · scale. Padding comes out as 0.
void dequantize_row_block(const PackedMatrixView& matrix, std::size_t row_block,
                          float* weights);

/// The whole matrix as fp32, [out_features, in_features] row-major.
[[nodiscard]] std::vector<float> dequantize(const PackedMatrixView& matrix);

}  // namespace trine::kernels
