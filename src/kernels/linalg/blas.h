// The dense matrix product, from OpenBLAS.
#pragma once

#include <cstddef>

namespace trine::kernels {

/// A row-major fp32 operand: element (i, j) lies at data[i · stride + j].
struct Operand {
  const float* data = nullptr;
  std::size_t stride = 0;
};

/// The result, row-major; it is overwritten.
struct Product {
  float* data = nullptr;
  std::size_t stride = 0;
};

/// OpenBLAS would start threads of its own, and its sums would depend on how many. We divide the
/// work ourselves, so it is told once to stay on the calling thread; every function here does.
void stay_on_calling_thread();

/// product[m, n] = scale · Σ_k left[m, k] · right[n, k]: weights are stored [out, in], so this
/// is inputs · weightsᵀ. Runs on the calling thread; callers divide the work, so results do not
/// depend on the number of threads.
void multiply_transposed(std::size_t rows, std::size_t cols, std::size_t depth, float scale,
                         Operand left, Operand right, Product product);

/// product[m, n] = Σ_k left[m, k] · right[k, n].
void multiply(std::size_t rows, std::size_t cols, std::size_t depth, Operand left,
              Operand right, Product product);

}  // namespace trine::kernels
