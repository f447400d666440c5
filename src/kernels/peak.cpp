// Which loops this processor can run. To add an instruction set: its loops, a row here.
#include "kernels/peak.h"

#include <cpuid.h>

#include <array>

namespace trine::kernels {

namespace avx2 {
extern const PeakLoops kPeakLoops;
}
namespace avx512 {
extern const PeakLoops kPeakLoops;
}
namespace avx512vnni {
extern const PeakLoops kPeakLoops;
}

namespace {

struct Row {
  std::string_view table_name;
  const PeakLoops* loops;
};

constexpr std::array kLoops = {
    Row{"avx2", &avx2::kPeakLoops},
    Row{"avx512", &avx512::kPeakLoops},
    Row{"avx512vnni", &avx512vnni::kPeakLoops},
};

bool has_avx512_bf16() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  constexpr unsigned kBf16 = 1u << 5;  // leaf 7, subleaf 1
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax & kBf16) != 0;
}

}  // namespace

PeakLoops peak_loops_of(std::string_view table_name) {
  for (const Row& row : kLoops) {
    if (row.table_name != table_name) continue;
    PeakLoops loops = *row.loops;
    if (!has_avx512_bf16()) loops.bf16_dot = {};
    return loops;
  }
  return {};
}

void run_dependent_adds(std::uint64_t adds) noexcept {
  std::uint64_t sum = 0, steps = adds / 16;
  // Register to register: some processors carry out additions of constants ahead of time.
  __asm__ volatile(
      "1:\n\t"
      ".rept 16\n\t"
      "add %[one], %[sum]\n\t"
      ".endr\n\t"
      "dec %[left]\n\t"
      "jnz 1b"
      : [sum] "+r"(sum), [left] "+r"(steps)
      : [one] "r"(std::uint64_t{1})
      : "cc");
}

}  // namespace trine::kernels
