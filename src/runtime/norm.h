// Root-mean-square normalisation.
#pragma once

#include <cstddef>
#include <span>

namespace trine::runtime {

/// output[t] = input[t] / sqrt(mean(input[t]²) + eps) ⊙ weight, for rows of weight.size().
/// Source: Zhang and Sennrich 2019, arXiv:1910.07467.
void rms_norm(const float* inputs, std::size_t num_tokens, std::span<const float> weight,
              double eps, float* outputs);

}  // namespace trine::runtime
