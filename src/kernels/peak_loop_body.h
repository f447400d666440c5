// The body of every peak loop, for a function with the right target attribute. Assembly, because a
// compiler may fold what it understands and spill what it does not.
#pragma once

/// Runs `instruction` on 12 registers of `width` ("ymm" or "zmm") `steps` times, 15 and 15 being
/// its sources. `fill` is the content of each 32 bits of the sources: not 0, and no denormals.
#define TRINE_PEAK_LOOP(instruction, width, fill, steps)                                      \
  __asm__ volatile(                                                                           \
      "vmovd %k[content], %%xmm15\n\t"                                                        \
      "vpbroadcastd %%xmm15, %%" width                                                        \
      "15\n\t"                                                                                \
      ".irp target, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11\n\t"                                 \
      "vpxor %%xmm\\target, %%xmm\\target, %%xmm\\target\n\t"                                 \
      ".endr\n"                                                                               \
      "1:\n\t"                                                                                \
      ".irp target, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11\n\t" instruction " %%" width         \
      "15, %%" width "15, %%" width                                                           \
      "\\target\n\t"                                                                          \
      ".endr\n\t"                                                                             \
      "dec %[left]\n\t"                                                                       \
      "jnz 1b\n\t"                                                                            \
      "vzeroupper"                                                                            \
      : [left] "+r"(steps)                                                                    \
      : [content] "r"(fill)                                                                   \
      : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", \
        "xmm10", "xmm11", "xmm15")

namespace trine::kernels {

inline constexpr double kPeakRegisters = 12.0;
inline constexpr unsigned kBytesOfOne = 0x01010101u;
inline constexpr unsigned kFloatOne = 0x3f800000u;
inline constexpr unsigned kPairOfBf16Ones = 0x3f803f80u;

}  // namespace trine::kernels
