// Packed matrices with random codes, made at the speed of memory, for measuring kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/packed_matrix.h"

namespace trine::eval {

/// Fills `blocks` with one matrix: all codes equally likely, scales near 2⁻⁷, zeros within one code
/// of the middle, so that outputs are sums of both signs as those of a model are. The same bytes
/// for any number of threads. @param blocks [layout.total_bytes()].
void fill_random_blocks(const PackedLayout& layout, std::uint64_t seed, int threads,
                        std::span<std::uint8_t> blocks);

}  // namespace trine::eval
