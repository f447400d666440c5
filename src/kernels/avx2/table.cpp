#include "kernels/avx2/dense.h"
#include "kernels/avx2/packed_matmul.h"
#include "kernels/digit_layout.h"
#include "kernels/kernel_table.h"

namespace trine::kernels::avx2 {

extern const KernelTable kTable;
const KernelTable kTable{.name = "avx2",
                         .prepared_bytes = digit_bytes,
                         .prepare_input = prepare_digits,
                         .packed_matmul = packed_matmul,
                         .add_low_rank = avx2::add_low_rank,
                         .dots_f32 = dots_f32,
                         .dots_f16 = dots_f16,
                         .dots_bf16 = dots_bf16,
                         .add_weighted = add_weighted,
                         .widen_f16 = widen_f16,
                         .widen_bf16 = widen_bf16,
                         .narrow_f16 = narrow_f16,
                         .read_all = read_all};

}  // namespace trine::kernels::avx2
