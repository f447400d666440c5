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
/// | scales | [rows, num_groups] | weight units per code step, > 0                     |
/// | zeros  | [rows, num_groups] | code units                                          |
///
/// With metadata_bits 16 scales and zeros are exactly fp16 numbers. With 8 they are, for the fp16
/// numbers scale_steps(r) and zero_steps(r) of their row and bytes s ≥ 1 and z,
///
///     scales(r, g) = s · scale_steps(r)
///     zeros(r, g)  = (z − 128) · zero_steps(r) + (2^bits − 1) / 2
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
  int metadata_bits = 16;            ///< width of one scale and of one zero: 16 or 8
  std::vector<float> scale_steps{};  ///< [rows]; empty with metadata_bits 16
  std::vector<float> zero_steps{};   ///< as scale_steps

  [[nodiscard]] std::size_t num_groups() const noexcept {
    return (cols + group_size - 1) / group_size;
  }
};

}  // namespace trine
