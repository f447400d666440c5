// How a function says that it may use AVX2. Files get no instruction-set flags, so no inline
// function from a header can be compiled for a processor that may not be there.
#pragma once

#define TRINE_TARGET_AVX2 __attribute__((target("avx2,fma,f16c")))
#define TRINE_INLINE_AVX2 __attribute__((target("avx2,fma,f16c"), always_inline)) inline
