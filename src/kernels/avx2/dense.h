// Dense kernels and prepared inputs with AVX2; the wider tables use some as they are, which run at memory speed already.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/kernel_table.h"

namespace trine::kernels::avx2 {

/// See KernelTable for what each one computes.
void prepare_digits(const float* input, std::size_t in_features, std::size_t group_size,
                    InputForm form, std::uint8_t* prepared) noexcept;
/// The nearest bf16 of finite values, ties to even; in place too. `count` is a multiple of 8.
void round_to_bf16(const float* values, std::size_t count, float* rounded) noexcept;
void add_low_rank(const PackedMatrixView& left, GroupRange outputs, const float* projected,
                  std::size_t num_tokens, const OutputRows& output) noexcept;
void dots_f32(WeightRows weights, InputRows inputs, std::size_t count,
              const OutputRows& output) noexcept;
void dots_f16(WeightRows weights, InputRows inputs, std::size_t count,
              const OutputRows& output) noexcept;
void dots_bf16(WeightRows weights, InputRows inputs, std::size_t count,
               const OutputRows& output) noexcept;
void add_weighted(InputRows factors, InputRows values, std::size_t width,
                  const OutputRows& output) noexcept;
void narrow_f16(const float* source, std::uint8_t* target, std::size_t count) noexcept;
void widen_f16(const std::uint8_t* source, float* target, std::size_t count) noexcept;
void widen_bf16(const std::uint8_t* source, float* target, std::size_t count) noexcept;
std::uint64_t read_all(const std::uint8_t* bytes, std::size_t count) noexcept;

}  // namespace trine::kernels::avx2
