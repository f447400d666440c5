#include "kernels/widened.h"

#include <cstring>

#include "kernels/kernel_table.h"

namespace trine::kernels {

std::vector<float> widened(const TensorView& tensor, std::size_t rows, std::size_t cols,
                           int threads) {
  const KernelTable& table = *runnable_tables().back();
  std::vector<float> values(rows * cols);
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t row = 0; row < rows; ++row) {
    float* target = values.data() + row * cols;
    const std::uint8_t* source = tensor.bytes.data() + row * cols * bits_of(tensor.dtype) / 8;
    switch (tensor.dtype) {
      case DType::kF16: table.widen_f16(source, target, cols); break;
      case DType::kBF16: table.widen_bf16(source, target, cols); break;
      default: std::memcpy(target, source, cols * sizeof(float));
    }
  }
  return values;
}

std::vector<float> widened(const RowReader& reader, std::size_t rows, std::size_t cols,
                           int threads) {
  std::vector<float> values(rows * cols);
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t row = 0; row < rows; ++row) {
    reader.read_rows(row, 1, values.data() + row * cols);
  }
  return values;
}

}  // namespace trine::kernels
