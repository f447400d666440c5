// The intrinsics of 512-bit registers, for files whose functions say that they may use them.
#pragma once

// g++ 12 takes the "undefined" registers inside its own AVX-512 header for our mistake.
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include <immintrin.h>

/// Of files that define TRINE_TARGET_AVX512, the instruction sets a function may use.
#define TRINE_INLINE_AVX512 TRINE_TARGET_AVX512 __attribute__((always_inline)) inline
