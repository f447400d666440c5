#include "kernels/block_codec.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/dtype.h"
#include "base/result.h"

namespace trine::kernels {
namespace {

constexpr std::size_t kOperands = 8;  // four inputs each; the VNNI operands of a chunk
constexpr std::size_t kInputsPerOperand = 4;

/// The eight codes of one byte lane into `bits` bytes, kLineBytes apart.
void pack_lane(const std::array<std::uint8_t, kOperands>& q, int bits, std::uint8_t* lane) {
  const auto put = [&](std::size_t line, unsigned value) {
    lane[line * kLineBytes] = static_cast<std::uint8_t>(value);
  };
  const auto put_pairs = [&](std::size_t line) {  // two low nibbles in each of four lines
    for (std::size_t i = 0; i < 4; ++i) {
      put(line + i, (q[2 * i] & 15u) | (q[2 * i + 1] & 15u) << 4);
    }
  };
  const auto put_quads = [&](std::size_t line, int shift) {  // 2 bits of each in two lines
    for (std::size_t i = 0; i < 2; ++i) {
      unsigned value = 0;
      for (std::size_t j = 0; j < 4; ++j) {
        value |= (static_cast<unsigned>(q[4 * i + j]) >> shift & 3u) << 2 * j;
      }
      put(line + i, value);
    }
  };
  switch (bits) {
    case 2: put_quads(0, 0); break;
    case 3:
      put(0, q[0] | q[1] << 3 | (q[6] & 3u) << 6);
      put(1, q[2] | q[3] << 3 | (q[7] & 3u) << 6);
      put(2, q[4] | q[5] << 3 | (q[6] >> 2 & 1u) << 6 | (q[7] >> 2 & 1u) << 7);
      break;
    case 4: put_pairs(0); break;
    case 5: {
      put_pairs(0);
      unsigned high = 0;
      for (std::size_t j = 0; j < kOperands; ++j) high |= (q[j] >> 4 & 1u) << j;
      put(4, high);
      break;
    }
    case 6:
      put_pairs(0);
      put_quads(4, 4);
      break;
    default:
      for (std::size_t j = 0; j < kOperands; ++j) put(j, q[j]);
  }
}

void unpack_lane(const std::uint8_t* lane, int bits, std::array<std::uint8_t, kOperands>& q) {
  const auto line = [&](std::size_t index) -> unsigned { return lane[index * kLineBytes]; };
  const auto nibble = [&](std::size_t j) { return line(j / 2) >> 4 * (j % 2) & 15u; };
  const auto pair = [&](std::size_t first, std::size_t j) {
    return line(first + j / 4) >> 2 * (j % 4) & 3u;
  };
  for (std::size_t j = 0; j < kOperands; ++j) {
    unsigned code = 0;
    switch (bits) {
      case 2: code = pair(0, j); break;
      case 3:
        code = j < 6 ? line(j / 2) >> 3 * (j % 2) & 7u
                     : (line(j - 6) >> 6 & 3u) | (line(2) >> j & 1u) << 2;
        break;
      case 4: code = nibble(j); break;
      case 5: code = nibble(j) | (line(4) >> j & 1u) << 4; break;
      case 6: code = nibble(j) | pair(4, j) << 4; break;
      default: code = line(j);
    }
    q[j] = static_cast<std::uint8_t>(code);
  }
}

/// Calls `visit(lane index, position in ChunkCodes of operand 0)`; operand j lies 4·j further.
template <class Visit>
void for_each_lane(Visit visit) {
  for (std::size_t row = 0; row < kBlockRows; ++row) {
    for (std::size_t i = 0; i < kInputsPerOperand; ++i) {
      visit(row * kInputsPerOperand + i, row * kChunkInputs + i);
    }
  }
}

void store_f16(std::uint8_t* target, float value) {
  const std::uint16_t half = float_to_f16(value);
  std::memcpy(target, &half, sizeof half);
}

float load_f16(const std::uint8_t* source) {
  std::uint16_t half = 0;
  std::memcpy(&half, source, sizeof half);
  return f16_to_float(half);
}

void pack_codes(const QuantizedMatrix& matrix, const PackedLayout& layout,
                std::size_t first_row, std::size_t group, std::uint8_t* target) {
  const std::size_t rows = std::min(kBlockRows, matrix.rows - first_row);
  for (std::size_t chunk = 0; chunk < layout.num_chunks_per_group(); ++chunk) {
    const std::size_t first = group * layout.group_size + chunk * kChunkInputs;
    const std::size_t inputs =
        first < matrix.cols ? std::min(kChunkInputs, matrix.cols - first) : 0;
    ChunkCodes codes{};
    for (std::size_t row = 0; row < rows; ++row) {
      std::copy_n(matrix.codes.begin() +
                      static_cast<std::ptrdiff_t>((first_row + row) * matrix.cols + first),
                  inputs, codes.begin() + static_cast<std::ptrdiff_t>(row * kChunkInputs));
    }
    pack_chunk(codes, layout.bits, target);
    target += static_cast<std::size_t>(layout.bits) * kLineBytes;
  }
}

/// The byte whose multiple of `step` above `origin` is `value`.
std::uint8_t byte_of(float value, float origin, float step) {
  const float steps = step == 0.0f ? 0.0f : std::round((value - origin) / step);
  check(steps >= 0.0f && steps <= 255.0f, "pack: a scale or zero does not fit its byte");
  return static_cast<std::uint8_t>(steps);
}

void pack_metadata(const QuantizedMatrix& matrix, const PackedLayout& layout, std::size_t row,
                   std::size_t group, std::uint8_t* row_block) {
  const std::size_t lane = row % kBlockRows;
  const std::size_t index = row * layout.num_groups() + group;
  std::uint8_t* target = row_block + layout.metadata_offset(group);
  if (layout.metadata_bits == 16) {
    store_f16(target + 2 * lane, matrix.scales[index]);
    store_f16(target + 2 * (kBlockRows + lane), matrix.zeros[index]);
    return;
  }
  const float zero_step = matrix.zero_steps[row];
  target[lane] = byte_of(matrix.scales[index], 0.0f, matrix.scale_steps[row]);
  target[kBlockRows + lane] =
      zero_step == 0.0f ? 128
                        : byte_of(matrix.zeros[index],
                                  middle_code(layout.bits) - 128.0f * zero_step, zero_step);
}

void pack_row_block(const QuantizedMatrix& matrix, const PackedLayout& layout,
                    std::size_t row_block, std::uint8_t* target) {
  const std::size_t first_row = row_block * kBlockRows;
  const std::size_t last_row = std::min(first_row + kBlockRows, matrix.rows);
  for (std::size_t group = 0; group < layout.num_groups(); ++group) {
    pack_codes(matrix, layout, first_row, group, target + layout.codes_offset(group));
    for (std::size_t row = first_row; row < last_row; ++row) {
      pack_metadata(matrix, layout, row, group, target);
    }
  }
  if (layout.metadata_bits == 16) return;
  for (std::size_t row = first_row; row < last_row; ++row) {
    store_f16(target + 2 * (row - first_row), matrix.scale_steps[row]);
    store_f16(target + 2 * (kBlockRows + row - first_row), matrix.zero_steps[row]);
  }
}

}  // namespace

void pack_chunk(const ChunkCodes& codes, int bits, std::uint8_t* lines) noexcept {
  for_each_lane([&](std::size_t lane, std::size_t first) {
    std::array<std::uint8_t, kOperands> q{};
    for (std::size_t j = 0; j < kOperands; ++j) q[j] = codes[first + j * kInputsPerOperand];
    pack_lane(q, bits, lines + lane);
  });
}

void unpack_chunk(const std::uint8_t* lines, int bits, ChunkCodes& codes) noexcept {
  for_each_lane([&](std::size_t lane, std::size_t first) {
    std::array<std::uint8_t, kOperands> q{};
    unpack_lane(lines + lane, bits, q);
    for (std::size_t j = 0; j < kOperands; ++j) codes[first + j * kInputsPerOperand] = q[j];
  });
}

BlockMetadata read_metadata(const std::uint8_t* row_block, const PackedLayout& layout,
                            std::size_t group) noexcept {
  BlockMetadata metadata;
  const std::uint8_t* source = row_block + layout.metadata_offset(group);
  for (std::size_t row = 0; row < kBlockRows; ++row) {
    if (layout.metadata_bits == 16) {
      metadata.scales[row] = load_f16(source + 2 * row);
      metadata.zeros[row] = load_f16(source + 2 * (kBlockRows + row));
      continue;
    }
    const float zero_step = load_f16(row_block + 2 * (kBlockRows + row));
    metadata.scales[row] = static_cast<float>(source[row]) * load_f16(row_block + 2 * row);
    metadata.zeros[row] = (static_cast<float>(source[kBlockRows + row]) - 128.0f) * zero_step +
                          middle_code(layout.bits);
  }
  return metadata;
}

std::vector<std::uint8_t> pack(const QuantizedMatrix& matrix, int threads) {
  const PackedLayout layout{matrix.rows, matrix.cols, matrix.bits, matrix.group_size,
                            matrix.metadata_bits};
  std::vector<std::uint8_t> blocks(layout.total_bytes());
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t row_block = 0; row_block < layout.num_row_blocks(); ++row_block) {
    pack_row_block(matrix, layout, row_block,
                   blocks.data() + row_block * layout.row_block_bytes());
  }
  return blocks;
}

void dequantize_group(const PackedMatrixView& matrix, std::size_t row_block, std::size_t group,
                      float* weights, std::size_t stride) noexcept {
  const PackedLayout& layout = matrix.layout;
  const std::uint8_t* blocks = matrix.blocks.data() + row_block * layout.row_block_bytes();
  const BlockMetadata metadata = read_metadata(blocks, layout, group);
  const std::uint8_t* lines = blocks + layout.codes_offset(group);
  ChunkCodes codes;
  for (std::size_t chunk = 0; chunk < layout.num_chunks_per_group(); ++chunk) {
    unpack_chunk(lines + chunk * static_cast<std::size_t>(layout.bits) * kLineBytes,
                 layout.bits, codes);
    for (std::size_t row = 0; row < kBlockRows; ++row) {
      for (std::size_t i = 0; i < kChunkInputs; ++i) {
        const auto code = static_cast<float>(codes[row * kChunkInputs + i]);
        weights[row * stride + chunk * kChunkInputs + i] =
            (code - metadata.zeros[row]) * metadata.scales[row];
      }
    }
  }
}

void dequantize_row_block(const PackedMatrixView& matrix, std::size_t row_block,
                          float* weights) {
  const PackedLayout& layout = matrix.layout;
  const std::size_t row_length = layout.num_groups() * layout.group_size;
  for (std::size_t group = 0; group < layout.num_groups(); ++group) {
    dequantize_group(matrix, row_block, group, weights + group * layout.group_size, row_length);
  }
}

std::vector<float> dequantize(const PackedMatrixView& matrix) {
  const PackedLayout& layout = matrix.layout;
  const std::size_t row_length = layout.num_groups() * layout.group_size;
  std::vector<float> weights(layout.out_features * layout.in_features);
  std::vector<float> padded(kBlockRows * row_length);
  for (std::size_t row_block = 0; row_block < layout.num_row_blocks(); ++row_block) {
    dequantize_row_block(matrix, row_block, padded.data());
    const std::size_t first_row = row_block * kBlockRows;
    const std::size_t rows = std::min(kBlockRows, layout.out_features - first_row);
    for (std::size_t row = 0; row < rows; ++row) {
      std::copy_n(padded.begin() + static_cast<std::ptrdiff_t>(row * row_length),
                  layout.in_features,
                  weights.begin() +
                      static_cast<std::ptrdiff_t>((first_row + row) * layout.in_features));
    }
  }
  return weights;
}

}  // namespace trine::kernels
