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

TEST(BlockCodec, DequantizedMatrixIsTheFormula) {
  for (const int bits : kBits) {
    for (const std::size_t group_size : {32u, 64u, 128u}) {
      const auto matrix = testing_support::random_quantized(21, 150, bits, group_size, 9);
      const auto blocks = pack(matrix, 2);
      const PackedLayout layout{21, 150, bits, group_size};
      ASSERT_EQ(blocks.size(), layout.total_bytes());
      const auto weights = dequantize({layout, blocks});
      for (std::size_t row = 0; row < 21; ++row) {
        for (std::size_t col = 0; col < 150; ++col) {
          const std::size_t group = row * matrix.num_groups() + col / group_size;
          const float expected =
              (static_cast<float>(matrix.codes[row * 150 + col]) - matrix.zeros[group]) *
              matrix.scales[group];
          ASSERT_EQ(weights[row * 150 + col], expected);
        }
      }
    }
  }
}

TEST(BlockCodec, SizesAreThoseOfTheFormat) {
  EXPECT_EQ((PackedLayout{16, 64, 2, 64}).block_bytes(), 320u);
  EXPECT_EQ((PackedLayout{16, 64, 3, 64}).block_bytes(), 448u);
  EXPECT_EQ((PackedLayout{16, 64, 4, 64}).block_bytes(), 576u);
  EXPECT_EQ((PackedLayout{16, 64, 8, 64}).block_bytes(), 1088u);
  EXPECT_EQ((PackedLayout{17, 65, 3, 64}).total_bytes(), 4u * 448u);
}

TEST(BlockCodec, PaddingIsZero) {
  const auto matrix = testing_support::random_quantized(3, 40, 4, 32, 4);
  const auto blocks = pack(matrix, 1);
  const PackedLayout layout{3, 40, 4, 32};
  const BlockMetadata metadata = read_metadata(blocks.data(), layout);
  for (std::size_t row = 3; row < kBlockRows; ++row) {
    EXPECT_EQ(metadata.scales[row], 0.0f);
    EXPECT_EQ(metadata.zeros[row], 0.0f);
  }
  ChunkCodes codes;
  unpack_chunk(blocks.data() + layout.block_bytes(), 4,
               codes);  // inputs 32…63, of which 40 end
  for (std::size_t row = 0; row < kBlockRows; ++row) {
    for (std::size_t i = row < 3 ? 8 : 0; i < kChunkInputs; ++i) {
      EXPECT_EQ(codes[row * kChunkInputs + i], 0);
    }
  }
}

TEST(BlockCodec, BytesDoNotDependOnThreads) {
  const auto matrix = testing_support::random_quantized(130, 300, 3, 64, 6);
  EXPECT_EQ(pack(matrix, 1), pack(matrix, 2));
}

}  // namespace
}  // namespace trine::kernels
