// Every function the runtime may ask of a processor. One table per instruction set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"
#include "core/packed_matrix.h"
#include "kernels/input_form.h"

namespace trine::kernels {

/// A range of row blocks of one packed matrix: the unit of work given to a thread.
struct RowBlockRange {
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// A range of groups along the columns of one packed matrix.
struct GroupRange {
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// Inputs of several tokens in the form packed_matmul wants; `bytes_per_token` apart.
struct PreparedInputs {
  const std::uint8_t* data = nullptr;
  std::size_t bytes_per_token = 0;
  std::size_t num_tokens = 0;
  InputForm form = InputForm::kTwoDigits;
};

/// Where results go: output[token · stride + out_feature].
struct OutputRows {
  float* data = nullptr;
  std::size_t stride = 0;
};

/// Rows of dense weights, element type by the function; `row_bytes` apart, maybe unaligned.
struct WeightRows {
  const std::uint8_t* data = nullptr;
  std::size_t row_bytes = 0;
  std::size_t num_rows = 0;
};

/// fp32 rows; row r begins at data + r · stride.
struct InputRows {
  const float* data = nullptr;
  std::size_t stride = 0;
  std::size_t num_rows = 0;
};

/// The functions of one instruction set. All are noexcept, allocate nothing, check nothing, and
/// give each output the same value however rows and tokens are divided among calls. The scalar
/// table defines what is correct: it multiplies the dequantized weight (code − zero)·scale by
/// the fp32 input and sums in double.
struct KernelTable {
  std::string_view name;

  /// Bytes one token's prepared input takes; a multiple of 64.
  std::size_t (*prepared_bytes)(std::size_t in_features, std::size_t group_size,
                                InputForm form) noexcept;

  /// Turns one token's fp32 input [in_features] into what packed_matmul wants, as one or two int8
  /// digits per value and a scale per group. Two: x ≈ (128·high + low)·scale with scale =
  /// max|x| / 16319, so |x − x̂| ≤ max|x| / 32638 within the group, finer than fp16 (the scalar table
  /// keeps the fp32 value). One: x ≈ low·scale, on every table, with scale = max|x| / 127 raised to the
  /// next eighth of a power of two (one_digit_scale). bf16: the nearest bf16 of x; where the
  /// processor has no dot products of bf16, that value as two digits.
  void (*prepare_input)(const float* input, std::size_t in_features, std::size_t group_size,
                        InputForm form, std::uint8_t* prepared) noexcept;

  /// output[t, o] = Σ_i weight(o, i) · input[t, i] for the outputs o of `rows`, from packed codes.
  void (*packed_matmul)(const PackedMatrixView& matrix, RowBlockRange rows,
                        const PreparedInputs& inputs, const OutputRows& output) noexcept;

  /// output[t, o] += Σ_j left(j, o) · projected[t · rank + j]: the epilogue of a compensator.
  /// `left` is packed [rank, out_features]; o runs over `outputs`, whole groups of it. Wide tables
  /// round scale · projected, per group and 256 ranks, to 1/32638 of the largest of them.
  void (*add_low_rank)(const PackedMatrixView& left, GroupRange outputs, const float* projected,
                       std::size_t num_tokens, const OutputRows& output) noexcept;

  /// output[t, r] = Σ_i weights[r, i] · inputs[t, i] over `count` elements for every row r and
  /// input t; weights may be unaligned. An output is the same in any company.
  void (*dots_f32)(WeightRows weights, InputRows inputs, std::size_t count,
                   const OutputRows& output) noexcept;
  void (*dots_f16)(WeightRows weights, InputRows inputs, std::size_t count,
                   const OutputRows& output) noexcept;
  void (*dots_bf16)(WeightRows weights, InputRows inputs, std::size_t count,
                    const OutputRows& output) noexcept;

  /// output[r, i] += Σ_k factors[r, k] · values[k, i] for i below `width`, k in ascending order,
  /// as many as there are values; each output is the same in any company.
  void (*add_weighted)(InputRows factors, InputRows values, std::size_t width,
                       const OutputRows& output) noexcept;

  /// Exact conversion of `count` 16-bit floats; `source` may be unaligned.
  void (*widen_f16)(const std::uint8_t* source, float* target, std::size_t count) noexcept;
  void (*widen_bf16)(const std::uint8_t* source, float* target, std::size_t count) noexcept;

  /// To the nearest 16-bit float, ties to even; `target` may be unaligned.
  void (*narrow_f16)(const float* source, std::uint8_t* target, std::size_t count) noexcept;

  /// Reads all bytes and folds them into a value nobody needs: the speed limit of every kernel.
  std::uint64_t (*read_all)(const std::uint8_t* bytes, std::size_t count) noexcept;
};

/// The tables this processor can run, scalar first, widest last.
[[nodiscard]] std::span<const KernelTable* const> runnable_tables();

/// The widest runnable table, or the one called `name` ("scalar", "avx2", "avx512",
/// "avx512vnni"; empty means widest). kUnsupported lists what this machine can run.
[[nodiscard]] Result<const KernelTable*> table_named(std::string_view name);

}  // namespace trine::kernels
