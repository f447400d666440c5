#pragma once

#include "kernels/kernel_table.h"

namespace trine::kernels::avx512vnni {

/// KernelTable::packed_matmul over prepare_digits inputs.
void packed_matmul(const PackedMatrixView& matrix, RowBlockRange rows,
                   const PreparedInputs& inputs, const OutputRows& output) noexcept;

}  // namespace trine::kernels::avx512vnni
