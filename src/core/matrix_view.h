// A float matrix somebody else owns.
#pragma once

#include <cstddef>
#include <span>

namespace trine {

/// Row-major; values.size() == rows · cols. For weights, rows = out_features, cols = in_features.
struct MatrixView {
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::span<const float> values{};

  [[nodiscard]] std::span<const float> row(std::size_t index) const noexcept {
    return values.subspan(index * cols, cols);
  }
};

}  // namespace trine
