// Number types of tensors on disk, and 16-bit floats as numbers.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace trine {

/// Number types a safetensors file may name. Only F32, F16 and BF16 are weights we compute with.
enum class DType {
  kBool,
  kF4,
  kF6E2M3,
  kF6E3M2,
  kU8,
  kI8,
  kF8E5M2,
  kF8E4M3,
  kF8E8M0,
  kF8E4M3FNUZ,
  kF8E5M2FNUZ,
  kI16,
  kU16,
  kF16,
  kBF16,
  kI32,
  kU32,
  kF32,
  kC64,
  kF64,
  kI64,
  kU64,
};

/// The name used in safetensors headers, for example "BF16".
[[nodiscard]] std::string_view name_of(DType dtype) noexcept;
[[nodiscard]] std::optional<DType> dtype_named(std::string_view name) noexcept;
/// Width of one element; 4 and 6 for the sub-byte types.
[[nodiscard]] std::size_t bits_of(DType dtype) noexcept;

/// The number a bfloat16 stands for (exact).
[[nodiscard]] inline float bf16_to_float(std::uint16_t value) noexcept {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value) << 16);
}

/// The number an IEEE half stands for (exact); infinities and NaN pass through.
[[nodiscard]] inline float f16_to_float(std::uint16_t value) noexcept {
  const std::uint32_t sign = static_cast<std::uint32_t>(value & 0x8000u) << 16;
  const std::uint32_t exponent = (value >> 10) & 0x1Fu;
  const std::uint32_t mantissa = value & 0x3FFu;
  if (exponent == 0) {  // zero or subnormal: mantissa · 2^-24
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
  }
  const std::uint32_t rebiased = exponent == 0x1Fu ? 0xFFu : exponent + (127 - 15);
  return std::bit_cast<float>(sign | rebiased << 23 | mantissa << 13);
}

/// The nearest IEEE half, ties to even; values above 65504 become infinity.
[[nodiscard]] std::uint16_t float_to_f16(float value) noexcept;

}  // namespace trine
