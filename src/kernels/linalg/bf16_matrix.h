// A matrix kept in bf16 while thin ones are multiplied with it: half the memory to read, and twice
// the arithmetic where a processor has dot products of bf16.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "core/matrix_view.h"

namespace trine::kernels {

/// Row-major with rows of whole cache lines, an odd number of them: rows whose distance is a
/// multiple of 4096 bytes would all fall into the same eight lines of the first cache. What lies
/// behind the last column, and the row behind an odd last one, is 0.
class Bf16Matrix {
 public:
  Bf16Matrix() = default;

  /// Takes the shape; values are whatever they were. Memory is kept when it is enough.
  void reshape(std::size_t rows, std::size_t cols);
  /// The nearest bf16 of every value.
  void assign(MatrixView values, int threads);

  [[nodiscard]] std::size_t rows() const noexcept { return rows_; }
  [[nodiscard]] std::size_t cols() const noexcept { return cols_; }
  /// Distance of two rows in elements.
  [[nodiscard]] std::size_t stride() const noexcept { return stride_; }
  [[nodiscard]] std::uint16_t* row(std::size_t index) noexcept {
    return values_.get() + index * stride_;
  }
  [[nodiscard]] const std::uint16_t* row(std::size_t index) const noexcept {
    return values_.get() + index * stride_;
  }

 private:
  struct Free {
    void operator()(void* memory) const noexcept { std::free(memory); }
  };

  std::size_t rows_ = 0, cols_ = 0, stride_ = 0;
  std::size_t capacity_ = 0;  ///< elements
  std::unique_ptr<std::uint16_t, Free> values_{};
};

/// The nearest bf16 of `count` finite values, ties to even.
void narrow_to_bf16(const float* values, std::size_t count, std::uint16_t* narrow) noexcept;

/// Whether the processor adds products of bf16 pairs on 512-bit registers (AVX512-BF16).
[[nodiscard]] bool has_bf16_dot() noexcept;

}  // namespace trine::kernels
