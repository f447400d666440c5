// Seeded random inputs for kernel and quantizer tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/dtype.h"
#include "base/random.h"
#include "core/quantized_matrix.h"

namespace trine::testing_support {

inline constexpr double kLargestScale = 0.02;

[[nodiscard]] inline std::vector<float> random_normal(std::size_t count, std::uint64_t seed,
                                                      double deviation = 1.0) {
  base::Random random(seed);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.normal() * deviation);
  return values;
}

[[nodiscard]] inline float as_f16(double value) {
  return f16_to_float(float_to_f16(static_cast<float>(value)));
}

/// Bytes and row factors instead of fp16: scales in (0, kLargestScale], zeros as far around the
/// middle of the codes as in random_quantized().
inline void add_byte_metadata(QuantizedMatrix& matrix, base::Random& random) {
  const auto levels = static_cast<double>(std::uint64_t{1} << matrix.bits);
  matrix.metadata_bits = 8;
  for (std::size_t row = 0; row < matrix.rows; ++row) {
    matrix.scale_steps.push_back(
        as_f16(kLargestScale / 256.0 * (0.5 + 0.49 * random.uniform())));
    matrix.zero_steps.push_back(as_f16(0.6 * levels / 128.0 * (0.2 + 0.8 * random.uniform())));
    for (std::size_t group = 0; group < matrix.num_groups(); ++group) {
      const auto scale = static_cast<float>(1 + random.next() % 255);
      const auto zero = static_cast<float>(random.next() % 256);
      matrix.scales.push_back(scale * matrix.scale_steps.back());
      matrix.zeros.push_back((zero - 128.0f) * matrix.zero_steps.back() +
                             static_cast<float>(levels - 1.0) / 2.0f);
    }
  }
}

/// Any codes, scales in [0.001, kLargestScale], zeros across the range of codes and a little
/// beyond; scales and zeros are what metadata of this width can store.
[[nodiscard]] inline QuantizedMatrix random_quantized(std::size_t rows, std::size_t cols,
                                                      int bits, std::size_t group_size,
                                                      std::uint64_t seed,
                                                      int metadata_bits = 16) {
  base::Random random(seed);
  QuantizedMatrix matrix{.rows = rows, .cols = cols, .group_size = group_size, .bits = bits};
  const auto levels = std::uint64_t{1} << bits;
  for (std::size_t i = 0; i < rows * cols; ++i) {
    matrix.codes.push_back(static_cast<std::uint8_t>(random.next() % levels));
  }
  if (metadata_bits == 8) {
    add_byte_metadata(matrix, random);
    return matrix;
  }
  for (std::size_t i = 0; i < rows * matrix.num_groups(); ++i) {
    matrix.scales.push_back(as_f16(0.001 + (kLargestScale - 0.001) * random.uniform()));
    matrix.zeros.push_back(
        as_f16((1.2 * random.uniform() - 0.1) * static_cast<double>(levels)));
  }
  return matrix;
}

}  // namespace trine::testing_support
