// Packed weights times bf16 inputs, for processors with AVX512_BF16.
#pragma once

#include "kernels/kernel_table.h"

namespace trine::kernels::avx512vnni {

/// Turns one token's input into the bytes of Bf16Layout. Denormals become 0, as vdpbf16ps takes them.
void prepare_bf16(const float* input, std::size_t in_features, std::size_t group_size,
                  std::uint8_t* prepared) noexcept;

/// KernelTable::packed_matmul over prepare_bf16 inputs.
void bf16_matmul(const PackedMatrixView& matrix, RowBlockRange rows,
                 const PreparedInputs& inputs, const OutputRows& output) noexcept;

}  // namespace trine::kernels::avx512vnni
