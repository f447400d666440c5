// A tensor as it lies in a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/dtype.h"

namespace trine {

/// Borrowed, row-major, little endian; alignment is whatever the file gave it, so elements are
/// read with memcpy or a kernel that allows unaligned loads, never through a cast pointer.
struct TensorView {
  DType dtype = DType::kF32;
  std::vector<std::size_t> shape{};
  std::span<const std::uint8_t> bytes{};

  [[nodiscard]] std::size_t num_elements() const noexcept {
    std::size_t count = 1;
    for (const std::size_t extent : shape) count *= extent;
    return count;
  }
};

}  // namespace trine
