// Thin products with the bf16 dot instruction of AVX-512.
#pragma once

#include "kernels/linalg/thin_products.h"

namespace trine::kernels {

extern const ThinProducts kBf16ThinProducts;

}  // namespace trine::kernels
