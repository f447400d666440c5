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

/// Any codes, scales in [0.001, kLargestScale], zeros across the range of codes and a little
/// beyond; scales and zeros are fp16 numbers.
[[nodiscard]] inline QuantizedMatrix random_quantized(std::size_t rows, std::size_t cols,
                                                      int bits, std::size_t group_size,
                                                      std::uint64_t seed) {
  base::Random random(seed);
  QuantizedMatrix matrix{.rows = rows, .cols = cols, .group_size = group_size, .bits = bits};
  const auto levels = std::uint64_t{1} << bits;
  for (std::size_t i = 0; i < rows * cols; ++i) {
    matrix.codes.push_back(static_cast<std::uint8_t>(random.next() % levels));
  }
  const auto as_f16 = [](double value) {
    return f16_to_float(float_to_f16(static_cast<float>(value)));
  };
  for (std::size_t i = 0; i < rows * matrix.num_groups(); ++i) {
    matrix.scales.push_back(as_f16(0.001 + (kLargestScale - 0.001) * random.uniform()));
    matrix.zeros.push_back(
        as_f16((1.2 * random.uniform() - 0.1) * static_cast<double>(levels)));
  }
  return matrix;
}

}  // namespace trine::testing_support
