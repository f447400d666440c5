// A weight matrix kept as small integers with one scale and one zero per group.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace trine {

/// For row r, column c and g = c / group_size:
///
///     weight(r, c)  ≈  (codes(r, c) − zeros(r, g)) · scales(r, g)
///
/// | field  | shape              | unit                                                |
/// |--------|--------------------|-----------------------------------------------------|
/// | codes  | [rows, cols]       | integer in [0, 2^bits)                              |
/// | scales | [rows, num_groups] | weight units per code step, > 0, exactly an fp16    |
/// | zeros  | [rows, num_groups] | code units, exactly an fp16                         |
///
/// All arrays are row-major. The last group of a row is shorter when cols is no multiple.
struct QuantizedMatrix {
  std::size_t rows = 0;        ///< out_features
  std::size_t cols = 0;        ///< in_features
  std::size_t group_size = 0;  ///< consecutive columns that share a scale and a zero
  int bits = 0;                ///< width of one code: 2, 3, 4, 5, 6 or 8
  std::vector<std::uint8_t> codes{};
  std::vector<float> scales{};
  std::vector<float> zeros{};

  [[nodiscard]] std::size_t num_groups() const noexcept {
    return (cols + group_size - 1) / group_size;
  }
};

}  // namespace trine
