// AVX-512 with VNNI (Cascade Lake, Ice Lake, Sapphire Rapids, Zen 4 and later).
#include "kernels/kernel_table.h"

#include "kernels/avx2/dense.h"
#include "kernels/avx512/dense.h"
#include "kernels/avx512vnni/bf16_matmul.h"
#include "kernels/avx512vnni/packed_matmul.h"
#include "kernels/bf16_layout.h"
#include "kernels/digit_layout.h"
#include "kernels/linalg/bf16_matrix.h"

namespace trine::kernels::avx512vnni {
namespace {

/// Whether inputs of this form are multiplied as bf16: Zen 4, Cooper Lake and Sapphire Rapids can,
/// Cascade Lake and Ice Lake have VNNI alone.
bool takes_bf16(InputForm form) noexcept { return form == InputForm::kBf16 && has_bf16_dot(); }

std::size_t prepared_bytes(std::size_t in_features, std::size_t group_size,
                           InputForm form) noexcept {
  return takes_bf16(form) ? Bf16Layout(in_features, group_size).bytes()
                          : digit_bytes(in_features, group_size, form);
}

void prepare_input(const float* input, std::size_t in_features, std::size_t group_size,
                   InputForm form, std::uint8_t* prepared) noexcept {
  if (takes_bf16(form)) return prepare_bf16(input, in_features, group_size, prepared);
  avx512::prepare_digits(input, in_features, group_size, form, prepared);
}

void multiply_packed(const PackedMatrixView& matrix, RowBlockRange rows,
                     const PreparedInputs& inputs, const OutputRows& output) noexcept {
  if (takes_bf16(inputs.form)) return bf16_matmul(matrix, rows, inputs, output);
  packed_matmul(matrix, rows, inputs, output);
}

}  // namespace

extern const KernelTable kTable;
const KernelTable kTable{.name = "avx512vnni",
                         .prepared_bytes = prepared_bytes,
                         .prepare_input = prepare_input,
                         .packed_matmul = multiply_packed,
                         .add_low_rank = add_low_rank,
                         .dots_f32 = avx512::dots_f32,
                         .dots_f16 = avx512::dots_f16,
                         .dots_bf16 = avx512::dots_bf16,
                         .add_weighted = avx512::add_weighted,
                         .widen_f16 = avx2::widen_f16,
                         .widen_bf16 = avx2::widen_bf16,
                         .narrow_f16 = avx2::narrow_f16,
                         .read_all = avx2::read_all};

}  // namespace trine::kernels::avx512vnni
