// The inequalities a certificate is made of; docs/certificate.md derives them.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace trine::eval {

/// Half the distance of 1 from the next fp32 number: the largest relative error of one rounding.
inline constexpr double kRoundoff = 0x1p-24;

/// An upper bound of the largest singular value of a row-major matrix [rows, cols], rounding
/// included: ‖A‖ = ‖(AAᵀ)^k‖^(1/2k) ≤ ‖(AAᵀ)^k‖_F^(1/2k) with k = 16. Too large by at most
/// n^(1/64), n being the smaller side: 10 % for 512, and mostly far less.
[[nodiscard]] double spectral_bound(const float* values, std::size_t rows, std::size_t cols);

/// ‖values‖₂.
[[nodiscard]] double norm_of(std::span<const float> values) noexcept;

/// How far h / ‖(h, √(d·eps))‖ · √d can move when h moves by at most `radius`; `length` is
/// ‖(h, √(d·eps))‖. A ball of that radius is seen from the origin under the angle
/// asin(radius / length), which the chord 2 sin(angle / 2) spans; it never exceeds the diameter.
[[nodiscard]] double normalized_radius(double length, double radius,
                                       std::size_t width) noexcept;

/// Σ|p̂ − p| of two softmaxes whose logits differ by at most `change` each: 2 tanh(change / 2).
[[nodiscard]] double softmax_change(double change) noexcept;

/// silu(gate) = gate / (1 + e^−gate), in double.
[[nodiscard]] double silu(double gate) noexcept;

/// max |silu(g′) − silu(gate)| over |g′ − gate| ≤ radius. Exact: silu falls up to its minimum near
/// −1.278 and rises from there, so its range on an interval is known from the ends and that.
[[nodiscard]] double silu_change(double gate, double radius) noexcept;

/// c with P(|Σ δᵢxᵢ| > c·‖(sᵢxᵢ)‖₂) ≤ probability for independent zero-mean |δᵢ| ≤ sᵢ: Hoeffding's
/// √(2 ln(2 / probability)).
[[nodiscard]] double deviation_factor(double probability) noexcept;

}  // namespace trine::eval
