// The packed blocks: every code comes back, padding is zero, bytes are where docs/format.md says.
#include "kernels/block_codec.h"

#include <gtest/gtest.h>

#include "support/random_matrices.h"

namespace trine::kernels {
namespace {

constexpr std::array kBits = {2, 3, 4, 5, 6, 8};

TEST(BlockCodec, ChunksRoundTripAtEveryWidth) {
  for (const int bits : kBits) {
    base::Random random(static_cast<std::uint64_t>(bits));
    ChunkCodes codes{}, restored{};
    for (auto& code : codes) code = static_cast<std::uint8_t>(random.next() % (1u << bits));
    std::vector<std::uint8_t> lines(static_cast<std::size_t>(bits) * kLineBytes);
    pack_chunk(codes, bits, lines.data());
    unpack_chunk(lines.data(), bits, restored);
    EXPECT_EQ(codes, restored) << bits << " bits";
  }
}

TEST(BlockCodec, ThreeBitLaneHasTheDocumentedBits) {
  // Row 0, input 0 of each operand: codes 1…7 and 5. docs/format.md, "3 bits".
  ChunkCodes codes{};
  const std::array<std::uint8_t, 8> q = {1, 2, 3, 4, 5, 6, 7, 5};
  for (std::size_t j = 0; j < 8; ++j) codes[4 * j] = q[j];
  std::vector<std::uint8_t> lines(3 * kLineBytes);
  pack_chunk(codes, 3, lines.data());
  EXPECT_EQ(lines[0], 1 | 2 << 3 | 3 << 6);
  EXPECT_EQ(lines[kLineBytes], 3 | 4 << 3 | 1 << 6);
  EXPECT_EQ(lines[2 * kLineBytes], 5 | 6 << 3 | 1 << 6 | 1 << 7);
}

/// pack() and dequantize() of a random matrix give exactly the weights of the formula.
void expect_formula(std::size_t cols, int bits, std::size_t group_size, int metadata_bits) {
  SCOPED_TRACE(testing::Message() << cols << " inputs, " << bits << " bits, groups of "
                                  << group_size << ", metadata " << metadata_bits);
  const auto matrix =
      testing_support::random_quantized(21, cols, bits, group_size, 9, metadata_bits);
  const auto blocks = pack(matrix, 2);
  const PackedLayout layout{21, cols, bits, group_size, metadata_bits};
  ASSERT_EQ(blocks.size(), layout.total_bytes());
  const auto weights = dequantize({layout, blocks});
  for (std::size_t row = 0; row < 21; ++row) {
    for (std::size_t col = 0; col < cols; ++col) {
      const std::size_t group = row * matrix.num_groups() + col / group_size;
      const float expected =
          (static_cast<float>(matrix.codes[row * cols + col]) - matrix.zeros[group]) *
          matrix.scales[group];
      ASSERT_EQ(weights[row * cols + col], expected);
    }
  }
}

TEST(BlockCodec, DequantizedMatrixIsTheFormula) {
  for (const int bits : kBits) {
    for (const std::size_t group_size : {32u, 64u, 128u}) {
      for (const int metadata_bits : {16, 8}) {
        // One group, an even and an odd number of them, whole and ragged.
        for (const std::size_t cols : {group_size / 2, 2 * group_size, 3 * group_size,
                                       4 * group_size - 10, 5 * group_size - 31}) {
          expect_formula(cols, bits, group_size, metadata_bits);
        }
      }
    }
  }
}

TEST(BlockCodec, SizesAreThoseOfTheFormat) {
  EXPECT_EQ((PackedLayout{16, 64, 2, 64}).row_block_bytes(), 320u);
  EXPECT_EQ((PackedLayout{16, 64, 3, 64}).row_block_bytes(), 448u);
  EXPECT_EQ((PackedLayout{16, 64, 4, 64}).row_block_bytes(), 576u);
  EXPECT_EQ((PackedLayout{16, 64, 8, 64}).row_block_bytes(), 1088u);
  EXPECT_EQ((PackedLayout{17, 65, 3, 64}).total_bytes(), 4u * 448u);
  // With 8-bit metadata: a line of row factors, and one line per pair of groups.
  EXPECT_EQ((PackedLayout{16, 64, 3, 64, 8}).row_block_bytes(), 64u + 384u + 64u);
  EXPECT_EQ((PackedLayout{16, 128, 3, 64, 8}).row_block_bytes(), 64u + 2u * 384u + 64u);
  EXPECT_EQ((PackedLayout{16, 129, 3, 64, 8}).row_block_bytes(), 64u + 3u * 384u + 2u * 64u);
  EXPECT_EQ((PackedLayout{17, 64, 3, 64, 8}).total_bytes(), 2u * 512u);
}

TEST(BlockCodec, EightBitMetadataLieWhereTheFormatSaysSo) {
  // Groups of 32 at 2 bits: 128 bytes of codes. Three groups: pair 0 and 1, then 2 alone.
  const PackedLayout layout{16, 96, 2, 32, 8};
  EXPECT_EQ(layout.codes_offset(0), 64u);
  EXPECT_EQ(layout.codes_offset(1), 192u);
  EXPECT_EQ(layout.metadata_offset(0), 320u);
  EXPECT_EQ(layout.metadata_offset(1), 352u);
  EXPECT_EQ(layout.codes_offset(2), 384u);
  EXPECT_EQ(layout.metadata_offset(2), 512u);
  EXPECT_EQ(layout.row_block_bytes(), 576u);
  auto matrix = testing_support::random_quantized(16, 96, 2, 32, 5, 8);
  const std::size_t row = 3;
  matrix.scale_steps[row] = 0.25f;
  matrix.zero_steps[row] = 0.5f;
  for (std::size_t group = 0; group < 3; ++group) {
    matrix.scales[row * 3 + group] = 0.25f * static_cast<float>(7 + group);
    matrix.zeros[row * 3 + group] = 0.5f * (static_cast<float>(group) - 2.0f) + 1.5f;
  }
  const auto blocks = pack(matrix, 1);
  EXPECT_EQ(blocks[2 * row] | blocks[2 * row + 1] << 8, 0x3400);            // fp16 of 0.25
  EXPECT_EQ(blocks[32 + 2 * row] | blocks[32 + 2 * row + 1] << 8, 0x3800);  // and of 0.5
  for (std::size_t group = 0; group < 3; ++group) {
    EXPECT_EQ(blocks[layout.metadata_offset(group) + row], 7 + group);
    EXPECT_EQ(blocks[layout.metadata_offset(group) + 16 + row], 126 + group);
  }
  for (std::size_t i = 544; i < 576; ++i) EXPECT_EQ(blocks[i], 0) << "the unused half";
}

TEST(BlockCodec, PaddingIsZero) {
  const auto matrix = testing_support::random_quantized(3, 40, 4, 32, 4);
  const auto blocks = pack(matrix, 1);
  const PackedLayout layout{3, 40, 4, 32};
  const BlockMetadata metadata = read_metadata(blocks.data(), layout, 0);
  for (std::size_t row = 3; row < kBlockRows; ++row) {
    EXPECT_EQ(metadata.scales[row], 0.0f);
    EXPECT_EQ(metadata.zeros[row], 0.0f);
  }
  ChunkCodes codes;
  unpack_chunk(blocks.data() + layout.codes_offset(1), 4,
               codes);  // inputs 32…63, of which 40 end
  for (std::size_t row = 0; row < kBlockRows; ++row) {
    for (std::size_t i = row < 3 ? 8 : 0; i < kChunkInputs; ++i) {
      EXPECT_EQ(codes[row * kChunkInputs + i], 0);
    }
  }
}

TEST(BlockCodec, PaddedRowsOfEightBitMetadataAreZeros) {
  const auto matrix = testing_support::random_quantized(3, 40, 4, 32, 4, 8);
  const auto blocks = pack(matrix, 1);
  const PackedLayout layout{3, 40, 4, 32, 8};
  for (std::size_t group = 0; group < 2; ++group) {
    std::vector<float> weights(kBlockRows * 32);
    dequantize_group({layout, blocks}, 0, group, weights.data(), 32);
    for (std::size_t i = 3 * 32; i < weights.size(); ++i) EXPECT_EQ(weights[i], 0.0f);
  }
}

TEST(BlockCodec, BytesDoNotDependOnThreads) {
  for (const int metadata_bits : {16, 8}) {
    const auto matrix = testing_support::random_quantized(130, 300, 3, 64, 6, metadata_bits);
    EXPECT_EQ(pack(matrix, 1), pack(matrix, 2));
  }
}

}  // namespace
}  // namespace trine::kernels
