// AVX-512 without VNNI (Skylake-X and its kind).
#include "kernels/kernel_table.h"

#include "kernels/avx2/dense.h"
#include "kernels/avx512/dense.h"
#include "kernels/avx512/packed_matmul.h"
#include "kernels/digit_layout.h"

namespace trine::kernels::avx512 {

extern const KernelTable kTable;
const KernelTable kTable{.name = "avx512",
                         .prepared_bytes = digit_bytes,
                         .prepare_input = prepare_digits,
                         .packed_matmul = packed_matmul,
                         .add_low_rank = add_low_rank,
                         .dots_f32 = avx512::dots_f32,
                         .dots_f16 = avx512::dots_f16,
                         .dots_bf16 = avx512::dots_bf16,
                         .add_weighted = avx512::add_weighted,
                         .widen_f16 = avx2::widen_f16,
                         .widen_bf16 = avx2::widen_bf16,
                         .narrow_f16 = avx2::narrow_f16,
                         .read_all = avx2::read_all};

}  // namespace trine::kernels::avx512
