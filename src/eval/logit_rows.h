// What is asked of one row of logits.
#pragma once

#include <cstddef>
#include <span>

namespace trine::eval {

/// Rows of logits held at once: 128 rows of a 128k vocabulary are 64 MB.
inline constexpr std::size_t kLogitRows = 128;

/// log Σ exp(logits), summed in double.
[[nodiscard]] double log_sum_exp(std::span<const float> logits);

/// The most likely token; the first one of several.
[[nodiscard]] std::size_t argmax(std::span<const float> logits);

/// Σ p_original · log(p_original / p_compressed), nats.
/// @param original_sum, compressed_sum log_sum_exp() of the rows.
[[nodiscard]] double kl_divergence(std::span<const float> original, double original_sum,
                                   std::span<const float> compressed, double compressed_sum);

}  // namespace trine::eval
