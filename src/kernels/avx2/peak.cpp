// Peak loops on 256-bit registers.
#include "kernels/peak.h"
#include "kernels/avx2/target.h"
#include "kernels/peak_loop_body.h"

namespace trine::kernels::avx2 {
namespace {

/// 32 products a register. The sums the kernels add to it run beside it on other units.
TRINE_TARGET_AVX2 void run_integer_dot(std::uint64_t steps) noexcept {
  TRINE_PEAK_LOOP("vpmaddubsw", "ymm", kBytesOfOne, steps);
}

TRINE_TARGET_AVX2 void run_multiply_add(std::uint64_t steps) noexcept {
  TRINE_PEAK_LOOP("vfmadd231ps", "ymm", kFloatOne, steps);
}

}  // namespace

extern const PeakLoops kPeakLoops;
const PeakLoops kPeakLoops{
    .integer_dot = {"vpmaddubsw ymm", 2 * 32 * kPeakRegisters, run_integer_dot},
    .multiply_add = {"vfmadd231ps ymm", 2 * 8 * kPeakRegisters, run_multiply_add}};

}  // namespace trine::kernels::avx2
