// Peak loops on 512-bit registers with VNNI; the bf16 one runs only where the processor has it.
#include "kernels/peak.h"
#include "kernels/peak_loop_body.h"

#define TRINE_TARGET_PEAK __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vnni")))
#define TRINE_TARGET_BF16 __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512bf16")))

namespace trine::kernels::avx512vnni {
namespace {

/// 64 products a register, added up in 16 sums.
TRINE_TARGET_PEAK void run_integer_dot(std::uint64_t steps) noexcept {
  TRINE_PEAK_LOOP("vpdpbusd", "zmm", kBytesOfOne, steps);
}

TRINE_TARGET_PEAK void run_multiply_add(std::uint64_t steps) noexcept {
  TRINE_PEAK_LOOP("vfmadd231ps", "zmm", kFloatOne, steps);
}

TRINE_TARGET_BF16 void run_bf16_dot(std::uint64_t steps) noexcept {
  TRINE_PEAK_LOOP("vdpbf16ps", "zmm", kPairOfBf16Ones, steps);
}

}  // namespace

extern const PeakLoops kPeakLoops;
const PeakLoops kPeakLoops{
    .integer_dot = {"vpdpbusd zmm", 2 * 64 * kPeakRegisters, run_integer_dot},
    .multiply_add = {"vfmadd231ps zmm", 2 * 16 * kPeakRegisters, run_multiply_add},
    .bf16_dot = {"vdpbf16ps zmm", 2 * 32 * kPeakRegisters, run_bf16_dot}};

}  // namespace trine::kernels::avx512vnni
