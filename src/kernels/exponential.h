// e^x of whole vectors and the choice that is made by it; activations of gates are in gates.h.
#pragma once

#include <cstddef>

namespace trine::kernels {

/// values[i] = e^values[i], within 2 units in the last place and the same bits on every processor.
/// Values beyond ±87 are taken for ±87; NaN stays NaN.
void exponentiate(float* values, std::size_t count) noexcept;

/// scores[i] = e^scores[i] / (e^sink + Σ e^scores[j]), shifted so that nothing overflows; `count` at
/// least 1, `sink` −∞ for none. The same bits on every processor; the order of the sum depends on
/// `count` alone. What is 87 below the largest is taken for 87 below.
void softmax(float* scores, std::size_t count, float sink) noexcept;

/// Of the largest value, the first of equals; `count` at least 1. Some index where one is NaN.
[[nodiscard]] std::size_t largest_index(const float* values, std::size_t count) noexcept;

}  // namespace trine::kernels
