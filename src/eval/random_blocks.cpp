#include "eval/random_blocks.h"

#include <cstring>

#include "base/dtype.h"
#include "base/random.h"

namespace trine::eval {
namespace {

constexpr float kScale = 0x1p-7f;

void store_f16(float value, std::uint8_t* target) noexcept {
  const std::uint16_t half = float_to_f16(value);
  std::memcpy(target, &half, sizeof half);
}

/// A number in [0, 1).
float unit(base::Random& random) noexcept { return static_cast<float>(random.uniform()); }

/// 16 scales, then 16 zeros, as fp16.
void fill_wide(int bits, base::Random& random, std::uint8_t* line) noexcept {
  const float middle = static_cast<float>((1 << bits) - 1) / 2.0f;
  for (std::size_t row = 0; row < kBlockRows; ++row) {
    store_f16(kScale * (0.5f + unit(random)), line + 2 * row);
    store_f16(middle + 2.0f * unit(random) - 1.0f, line + 2 * (kBlockRows + row));
  }
}

/// The row factors of bytes around 128: steps of a 128th of what fill_wide stores.
void fill_row_factors(std::uint8_t* line) noexcept {
  for (std::size_t row = 0; row < kBlockRows; ++row) {
    store_f16(kScale / 128.0f, line + 2 * row);
    store_f16(1.0f / 128.0f, line + 2 * (kBlockRows + row));
  }
}

/// Scales in [64, 192), zeros anywhere: what fill_row_factors is made for.
void limit_byte_scales(std::uint8_t* bytes) noexcept {
  for (std::size_t row = 0; row < kBlockRows; ++row) {
    bytes[row] = static_cast<std::uint8_t>(64 + bytes[row] % 128);
  }
}

void fill_row_block(const PackedLayout& layout, std::uint64_t seed,
                    std::span<std::uint8_t> block) noexcept {
  base::Random random(seed);
  for (std::size_t offset = 0; offset < block.size(); offset += sizeof(std::uint64_t)) {
    const std::uint64_t word = random.next();
    std::memcpy(block.data() + offset, &word, sizeof word);
  }
  const bool is_wide = layout.metadata_bits == 16;
  if (!is_wide) fill_row_factors(block.data());
  for (std::size_t group = 0; group < layout.num_groups(); ++group) {
    std::uint8_t* metadata = block.data() + layout.metadata_offset(group);
    is_wide ? fill_wide(layout.bits, random, metadata) : limit_byte_scales(metadata);
  }
}

}  // namespace

void fill_random_blocks(const PackedLayout& layout, std::uint64_t seed, int threads,
                        std::span<std::uint8_t> blocks) {
  const std::size_t bytes = layout.row_block_bytes();
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t row_block = 0; row_block < layout.num_row_blocks(); ++row_block) {
    // Seeds far apart: SplitMix64 walks by an odd constant, so neighbours would share their words.
    const std::uint64_t own = base::Random(seed * 0x100000001ull + row_block).next();
    fill_row_block(layout, own, blocks.subspan(row_block * bytes, bytes));
  }
}

}  // namespace trine::eval
