#include "base/dtype.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "base/random.h"

namespace trine {
namespace {

/// What a half means, by the formula of IEEE 754. Not every compiler has halves of its own.
float reference_value(std::uint16_t half) {
  const int exponent = (half >> 10) & 31;
  const int fraction = half & 1023;
  const float sign = (half & 0x8000) != 0 ? -1.0f : 1.0f;
  if (exponent == 31) {
    return sign * (fraction != 0 ? std::numeric_limits<float>::quiet_NaN()
                                 : std::numeric_limits<float>::infinity());
  }
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(fraction), -24);
  return sign * std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
}

/// The nearest half to a number, ties to even, in double: the distance between halves there is
/// a power of two, so dividing by it is exact and nearbyint rounds once.
std::uint16_t reference_f16(float value) {
  const std::uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const double magnitude = std::fabs(static_cast<double>(value));
  const int exponent = magnitude < 0x1p-14 ? -14 : std::min(std::ilogb(magnitude), 16);
  const double steps = std::nearbyint(std::ldexp(magnitude, 10 - exponent));
  // Counting on from the half of 2^exponent: steps that carry reach the next exponent by
  // themselves, and what is beyond the largest is infinite.
  const double bits = (exponent + 14) * 1024.0 + steps;
  return static_cast<std::uint16_t>(sign | static_cast<std::uint16_t>(std::min(bits, 31744.0)));
}

TEST(DType, NamesRoundTrip) {
  for (int index = 0; index <= static_cast<int>(DType::kU64); ++index) {
    const auto dtype = static_cast<DType>(index);
    EXPECT_EQ(dtype_named(name_of(dtype)), dtype) << name_of(dtype);
    EXPECT_GE(bits_of(dtype), 4u) << name_of(dtype);
  }
  EXPECT_FALSE(dtype_named("F128").has_value());
  EXPECT_FALSE(dtype_named("bf16").has_value());
  EXPECT_FALSE(dtype_named("").has_value());
}

TEST(DType, WidthsFollowTheNames) {
  EXPECT_EQ(bits_of(DType::kF4), 4u);
  EXPECT_EQ(bits_of(DType::kF6E2M3), 6u);
  EXPECT_EQ(bits_of(DType::kBool), 8u);
  EXPECT_EQ(bits_of(DType::kF8E4M3), 8u);
  EXPECT_EQ(bits_of(DType::kBF16), 16u);
  EXPECT_EQ(bits_of(DType::kF32), 32u);
  EXPECT_EQ(bits_of(DType::kC64), 64u);
  EXPECT_EQ(name_of(DType::kF8E4M3FNUZ), "F8_E4M3FNUZ");
}

TEST(Half, EveryHalfMeansWhatTheFormulaSays) {
  for (std::uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float expected = reference_value(half);
    const float actual = f16_to_float(half);
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(actual)) << bits;
    } else {
      EXPECT_EQ(std::bit_cast<std::uint32_t>(actual), std::bit_cast<std::uint32_t>(expected))
          << bits;
    }
  }
}

TEST(Half, EveryHalfComesBackFromFloat) {
  for (std::uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float value = f16_to_float(half);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(f16_to_float(float_to_f16(value)))) << bits;
    } else {
      EXPECT_EQ(float_to_f16(value), half) << bits;
    }
  }
}

TEST(Half, RoundsTheMiddleBetweenNeighboursToEven) {
  for (std::uint32_t bits = 0; bits < 0x7BFF; ++bits) {  // up to the largest finite half
    const float low = f16_to_float(static_cast<std::uint16_t>(bits));
    const float high = f16_to_float(static_cast<std::uint16_t>(bits + 1));
    const float middle = (low + high) / 2;  // exact: a half has 11 bits, a float 24
    const auto even = static_cast<std::uint16_t>(bits + (bits & 1));
    EXPECT_EQ(float_to_f16(middle), even) << bits;
    EXPECT_EQ(float_to_f16(-middle), even | 0x8000) << bits;
    EXPECT_EQ(float_to_f16(std::nextafter(middle, high)), bits + 1) << bits;
    EXPECT_EQ(float_to_f16(std::nextafter(middle, low)), bits) << bits;
  }
}

TEST(Half, OverflowsToInfinityAtTheMiddleAboveTheLargest) {
  EXPECT_EQ(float_to_f16(65519.996f), 0x7BFF);
  EXPECT_EQ(float_to_f16(65520.0f), 0x7C00);
  EXPECT_EQ(float_to_f16(-1e30f), 0xFC00);
  EXPECT_EQ(float_to_f16(std::numeric_limits<float>::infinity()), 0x7C00);
  EXPECT_TRUE(std::isnan(f16_to_float(float_to_f16(std::nanf("")))));
}

TEST(Half, AgreesWithTheFormulaOnRandomBits) {
  base::Random random(20240501);
  for (int draw = 0; draw < 1'000'000; ++draw) {
    const auto bits = static_cast<std::uint32_t>(random.next());
    const auto value = std::bit_cast<float>(bits);
    if (std::isnan(value)) continue;
    ASSERT_EQ(float_to_f16(value), reference_f16(value)) << std::hex << bits;
  }
}

TEST(Half, AgreesWithTheFormulaWhereHalvesAreDense) {
  base::Random random(7);
  for (int draw = 0; draw < 500'000; ++draw) {  // exponents 2^-28 to 2^17, subnormals included
    const double magnitude =
        std::ldexp(1.0 + random.uniform(), static_cast<int>(random.next() % 46) - 28);
    const auto value = static_cast<float>(random.next() % 2 == 0 ? magnitude : -magnitude);
    ASSERT_EQ(float_to_f16(value), reference_f16(value)) << value;
  }
}

TEST(BFloat16, IsTheUpperHalfOfAFloat) {
  EXPECT_EQ(bf16_to_float(0x3F80), 1.0f);
  EXPECT_EQ(bf16_to_float(0xC040), -3.0f);
  EXPECT_EQ(bf16_to_float(0x0001), std::ldexp(1.0f, -133));
  EXPECT_TRUE(std::isinf(bf16_to_float(0x7F80)));
  EXPECT_TRUE(std::isnan(bf16_to_float(0x7FC0)));
}

}  // namespace
}  // namespace trine
