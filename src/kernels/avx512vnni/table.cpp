// AVX-512 with VNNI (Cascade Lake, Ice Lake, Sapphire Rapids, Zen 4 and later).
#include "kernels/kernel_table.h"

#include "kernels/avx2/dense.h"
#include "kernels/avx512/dense.h"
#include "kernels/avx512vnni/packed_matmul.h"
#include "kernels/digit_layout.h"

namespace trine::kernels::avx512vnni {

extern const KernelTable kTable;
const KernelTable kTable{.name = "avx512vnni",
                         .prepared_bytes = digit_bytes,
                         .prepare_input = avx2::prepare_digits,
                         .packed_matmul = packed_matmul,
                         .add_low_rank = add_low_rank,
                         .dot_f32 = avx2::dot_f32,
                         .dot_f16 = avx2::dot_f16,
                         .dot_bf16 = avx2::dot_bf16,
                         .dots_f32 = avx512::dots_f32,
                         .dots_f16 = avx512::dots_f16,
                         .dots_bf16 = avx512::dots_bf16,
                         .add_weighted = avx512::add_weighted,
                         .widen_f16 = avx2::widen_f16,
                         .widen_bf16 = avx2::widen_bf16,
                         .narrow_f16 = avx2::narrow_f16,
                         .read_all = avx2::read_all};

}  // namespace trine::kernels::avx512vnni
