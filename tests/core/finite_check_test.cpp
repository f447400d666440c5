#include "core/finite_check.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <vector>

#include "base/result.h"

namespace trine {
namespace {

/// A vector of bit patterns as a tensor.
template <class Bits>
struct Stored {
  std::vector<std::uint8_t> bytes{};
  DType dtype;

  Stored(DType type, const std::vector<Bits>& values)
      : bytes(values.size() * sizeof(Bits)), dtype(type) {
    if (!values.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  }
  [[nodiscard]] TensorView view() const {
    return {dtype, {bytes.size() / sizeof(Bits)}, bytes};
  }
};

TEST(FindNonfinite, PassesEveryFiniteHalf) {
  std::vector<std::uint16_t> halves;
  std::vector<std::uint16_t> bfloats;
  for (std::uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    if ((bits & 0x7C00) != 0x7C00) halves.push_back(static_cast<std::uint16_t>(bits));
    if ((bits & 0x7F80) != 0x7F80) bfloats.push_back(static_cast<std::uint16_t>(bits));
  }
  EXPECT_EQ(find_nonfinite(Stored(DType::kF16, halves).view()), std::nullopt);
  EXPECT_EQ(find_nonfinite(Stored(DType::kBF16, bfloats).view()), std::nullopt);
}

TEST(FindNonfinite, FindsEveryKindOfNonfiniteHalf) {
  for (std::uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    const auto value = static_cast<std::uint16_t>(bits);
    const bool finite_half = std::isfinite(f16_to_float(value));
    const bool finite_bfloat = std::isfinite(bf16_to_float(value));
    const std::vector<std::uint16_t> one = {value};
    ASSERT_EQ(find_nonfinite(Stored(DType::kF16, one).view()).has_value(), !finite_half)
        << bits;
    ASSERT_EQ(find_nonfinite(Stored(DType::kBF16, one).view()).has_value(), !finite_bfloat)
        << bits;
  }
}

TEST(FindNonfinite, FindsTheFirstAtAnyPlace) {
  constexpr std::size_t kCount = 5000;  // several blocks and a tail
  for (const std::size_t place : {0ul, 1ul, 2047ul, 2048ul, 4095ul, 4096ul, kCount - 1}) {
    std::vector<float> values(kCount, 1.5f);
    values[place] = -std::numeric_limits<float>::infinity();
    values.back() = std::nanf("");
    EXPECT_EQ(find_nonfinite(Stored(DType::kF32, values).view()), place);
  }
}

TEST(FindNonfinite, PassesExtremeFiniteFloats) {
  const std::vector<float> values = {std::numeric_limits<float>::max(),
                                     std::numeric_limits<float>::lowest(),
                                     std::numeric_limits<float>::denorm_min(), -0.0f};
  EXPECT_EQ(find_nonfinite(Stored(DType::kF32, values).view()), std::nullopt);
}

TEST(FindNonfinite, PassesAnEmptyTensor) {
  EXPECT_EQ(find_nonfinite(Stored(DType::kF16, std::vector<std::uint16_t>{}).view()),
            std::nullopt);
}

TEST(FindNonfinite, ReadsAnyAlignment) {
  std::vector<std::uint8_t> bytes = {0xAA, 0, 0, 0, 0, 0, 0, 0xC0, 0x7F};  // 0.0f, NaN
  const TensorView view{DType::kF32, {2}, std::span(bytes).subspan(1)};
  EXPECT_EQ(find_nonfinite(view), 1u);
}

TEST(FindNonfinite, CallsAnotherNumberTypeABug) {
  const TensorView view{DType::kI32, {}, {}};
  EXPECT_THROW(static_cast<void>(find_nonfinite(view)), InvariantError);
}

TEST(CountNonfinite, CountsEveryKindAndNothingElse) {
  std::vector<std::uint16_t> every;
  for (std::uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    every.push_back(static_cast<std::uint16_t>(bits));
  }
  EXPECT_EQ(count_nonfinite(Stored(DType::kF16, every).view()), 2u << 10);  // 10-bit fraction
  EXPECT_EQ(count_nonfinite(Stored(DType::kBF16, every).view()), 2u << 7);  // 7-bit fraction
  const std::vector<float> floats = {1.0f, std::nanf(""), -2.0f,
                                     std::numeric_limits<float>::infinity()};
  EXPECT_EQ(count_nonfinite(Stored(DType::kF32, floats).view()), 2u);
  EXPECT_EQ(count_nonfinite(Stored(DType::kI32, std::vector<std::uint32_t>{~0u}).view()), 0u);
}

TEST(ReplaceNonfinite, PutsZeroAndLeavesTheRest) {
  std::vector<float> values = {1.5f, std::nanf(""), -std::numeric_limits<float>::infinity(),
                               std::numeric_limits<float>::max(), -0.25f};
  EXPECT_EQ(replace_nonfinite(values), 2u);
  EXPECT_EQ(values,
            (std::vector<float>{1.5f, 0.0f, 0.0f, std::numeric_limits<float>::max(), -0.25f}));
  EXPECT_EQ(replace_nonfinite(values), 0u);
}

}  // namespace
}  // namespace trine
