// What both AVX-512 tables share besides packed products: inputs made digits, dense weights.
#pragma once

#include <cstddef>

#include "kernels/kernel_table.h"

namespace trine::kernels::avx512 {

/// See KernelTable for what each one computes.
void prepare_digits(const float* input, std::size_t in_features, std::size_t group_size,
                    InputForm form, std::uint8_t* prepared) noexcept;
void dots_f32(WeightRows weights, InputRows inputs, std::size_t count,
              const OutputRows& output) noexcept;
void dots_f16(WeightRows weights, InputRows inputs, std::size_t count,
              const OutputRows& output) noexcept;
void dots_bf16(WeightRows weights, InputRows inputs, std::size_t count,
               const OutputRows& output) noexcept;
void add_weighted(InputRows factors, InputRows values, std::size_t width,
                  const OutputRows& output) noexcept;

}  // namespace trine::kernels::avx512
