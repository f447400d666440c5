// Peak loops on 512-bit registers without VNNI.
#include "kernels/peak.h"
#include "kernels/peak_loop_body.h"

#define TRINE_TARGET_AVX512 __attribute__((target("avx2,fma,f16c,avx512f,avx512bw")))

namespace trine::kernels::avx512 {
namespace {

/// 64 products a register. The sums the kernels add to it run beside it on other units.
TRINE_TARGET_AVX512 void run_integer_dot(std::uint64_t steps) noexcept {
  TRINE_PEAK_LOOP("vpmaddubsw", "zmm", kBytesOfOne, steps);
}

TRINE_TARGET_AVX512 void run_multiply_add(std::uint64_t steps) noexcept {
  TRINE_PEAK_LOOP("vfmadd231ps", "zmm", kFloatOne, steps);
}

}  // namespace

extern const PeakLoops kPeakLoops;
const PeakLoops kPeakLoops{
    .integer_dot = {"vpmaddubsw zmm", 2 * 64 * kPeakRegisters, run_integer_dot},
    .multiply_add = {"vfmadd231ps zmm", 2 * 16 * kPeakRegisters, run_multiply_add}};

}  // namespace trine::kernels::avx512
