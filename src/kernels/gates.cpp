#include "kernels/gates.h"

#include <algorithm>

#include "kernels/exponential.h"
#include "kernels/lanes.h"

namespace trine::kernels {
namespace {

TRINE_EVERY_WIDTH void negate(const float* values, float* target, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) target[i] = -values[i];
}

TRINE_EVERY_WIDTH void divide_gate(float* gate, const float* powers,
                                   std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) gate[i] /= 1.0f + powers[i];
}

TRINE_EVERY_WIDTH void multiply_gate(float* gate, const float* up, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) gate[i] *= up[i];
}

}  // namespace

void apply_silu(float* gate, const float* up, std::size_t count) noexcept {
  constexpr std::size_t kTogether = 512;  // stays in the L1 cache from one loop to the next
  float powers[kTogether];
  for (std::size_t first = 0; first < count; first += kTogether) {
    const std::size_t size = std::min(kTogether, count - first);
    negate(gate + first, powers, size);
    exponentiate(powers, size);
    divide_gate(gate + first, powers, size);
    if (up != nullptr) multiply_gate(gate + first, up + first, size);
  }
}

}  // namespace trine::kernels
