// What a test says about the inputs of a matrix.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "compress/quantizers/quantizer.h"
#include "support/random_matrices.h"

namespace trine::testing_support {

/// E[x xᵀ], owned.
struct Moments {
  std::vector<float> diagonal{}, blocks{};
  std::size_t block_size = 0;
  [[nodiscard]] compress::InputMoments view() const { return {diagonal, block_size, blocks}; }
};

/// Inputs of size 1 that have nothing to do with each other, as one block.
[[nodiscard]] inline Moments uncorrelated(std::size_t cols) {
  Moments moments{std::vector<float>(cols, 1.0f), std::vector<float>(cols * cols), cols};
  for (std::size_t i = 0; i < cols; ++i) moments.blocks[i * cols + i] = 1.0f;
  return moments;
}

/// Inputs that share six directions and differ in size by up to 4, in blocks of `block_size`.
[[nodiscard]] inline Moments correlated(std::size_t cols, std::size_t block_size) {
  constexpr std::size_t kShared = 6;
  const auto directions = random_normal(cols * kShared, 7, 1.0);
  Moments moments{{}, {}, block_size};
  const auto size_of = [](std::size_t i) { return i % 11 == 3 ? 4.0 : 1.0; };
  for (std::size_t first = 0; first < cols; first += block_size) {
    const std::size_t last = std::min(first + block_size, cols);
    for (std::size_t i = first; i < last; ++i) {
      for (std::size_t j = first; j < last; ++j) {
        double product = i == j ? 0.5 : 0.0;
        for (std::size_t k = 0; k < kShared; ++k) {
          product += static_cast<double>(directions[i * kShared + k]) *
                     static_cast<double>(directions[j * kShared + k]);
        }
        product *= size_of(i) * size_of(j);
        moments.blocks.push_back(static_cast<float>(product));
        if (i == j) moments.diagonal.push_back(static_cast<float>(product));
      }
    }
  }
  return moments;
}

}  // namespace trine::testing_support
