#include "kernels/linalg/blas.h"

#include <cblas.h>

#include <mutex>

namespace trine::kernels {

void stay_on_calling_thread() {
  static std::once_flag told;
  std::call_once(told, [] { openblas_set_num_threads(1); });
}

void multiply_transposed(std::size_t rows, std::size_t cols, std::size_t depth, float scale,
                         Operand left, Operand right, Product product) {
  stay_on_calling_thread();
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, static_cast<int>(rows),
              static_cast<int>(cols), static_cast<int>(depth), scale, left.data,
              static_cast<int>(left.stride), right.data, static_cast<int>(right.stride), 0.0f,
              product.data, static_cast<int>(product.stride));
}

void multiply(std::size_t rows, std::size_t cols, std::size_t depth, Operand left,
              Operand right, Product product) {
  stay_on_calling_thread();
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, static_cast<int>(rows),
              static_cast<int>(cols), static_cast<int>(depth), 1.0f, left.data,
              static_cast<int>(left.stride), right.data, static_cast<int>(right.stride), 0.0f,
              product.data, static_cast<int>(product.stride));
}

}  // namespace trine::kernels
