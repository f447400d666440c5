// Activations of gated feed-forwards, over whole vectors.
#pragma once

#include <cstddef>

namespace trine::kernels {

/// gate[i] = gate[i] / (1 + e^−gate[i]) · up[i]; `up` null counts as ones. The same bits on every
/// processor. The exponential is within 2 units in the last place, and inputs beyond ±87 are taken
/// for ±87, where the result is the input or |input| · e^−87.
void apply_silu(float* gate, const float* up, std::size_t count) noexcept;

}  // namespace trine::kernels
