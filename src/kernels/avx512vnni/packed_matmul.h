#pragma once

#include "kernels/kernel_table.h"

namespace trine::kernels::avx512vnni {

/// KernelTable::packed_matmul over prepare_digits inputs.
void packed_matmul(const PackedMatrixView& matrix, RowBlockRange rows,
                   const PreparedInputs& inputs, const OutputRows& output) noexcept;

/// KernelTable::add_low_rank; scale · projected is rounded to two digits.
void add_low_rank(const PackedMatrixView& left, GroupRange outputs, const float* projected,
                  std::size_t num_tokens, const OutputRows& output) noexcept;

}  // namespace trine::kernels::avx512vnni
