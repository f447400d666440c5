// Inputs as every instruction set keeps them, against the values they stand for.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/dtype.h"
#include "kernels/bf16_layout.h"
#include "kernels/digit_layout.h"
#include "kernels/kernel_table.h"
#include "kernels/linalg/bf16_matrix.h"
#include "support/random_matrices.h"

namespace trine::kernels {
namespace {

/// Digits stand for the input to within half a step, at both ends of their range.
TEST(PrepareInput, DigitsRestoreTheInput) {
  for (const KernelTable* table : runnable_tables().subspan(1)) {
    SCOPED_TRACE(table->name);
    constexpr std::size_t kCount = 100;  // a short second group
    constexpr std::size_t kGroup = 64;
    std::vector<float> input = testing_support::random_normal(kCount, 13);
    input[5] = 9.0f;    // the largest of its group: high 127, low 63
    input[70] = -9.0f;  // the smallest of its group
    const DigitLayout layout(kCount, kGroup, 2);
    std::vector<std::uint8_t> prepared(layout.bytes());
    table->prepare_input(input.data(), kCount, kGroup, InputForm::kTwoDigits, prepared.data());
    const auto* scales =
        reinterpret_cast<const float*>(prepared.data() + layout.scales_offset());
    const auto* sums = reinterpret_cast<const float*>(prepared.data() + layout.sums_offset());
    for (std::size_t group = 0; group < layout.num_groups; ++group) {
      double sum = 0.0;
      for (std::size_t i = 0; i < kGroup; ++i) {
        const auto* digits =
            reinterpret_cast<const std::int8_t*>(prepared.data() + 2 * group * kGroup);
        const double value = 128.0 * digits[i] + digits[kGroup + i];
        sum += value;
        const std::size_t at = group * kGroup + i;
        const double expected = at < kCount ? static_cast<double>(input[at]) : 0.0;
        // Half a step, and the rounding of x · (16319/max) to fp32: 2^-24 of 16319 steps.
        EXPECT_NEAR(value * static_cast<double>(scales[group]), expected,
                    static_cast<double>(scales[group]) * (0.5 + 2e-3));
      }
      EXPECT_EQ(sums[group], sum);
    }
  }
}

/// A text's inputs are the same digits on every processor: tables differ in how many groups they take together, in
/// what they do with half a register and with the short last group.
TEST(PrepareInput, DigitsAreTheSameBytesInEveryTable) {
  for (const std::size_t group : {32u, 64u, 128u}) {
    for (const std::size_t count : {1u, 31u, 64u, 333u, 1024u, 4099u}) {
      std::vector<float> input = testing_support::random_normal(count, count + group);
      input[count / 2] = 1e30f;
      for (const auto form : {InputForm::kOneDigit, InputForm::kTwoDigits, InputForm::kBf16}) {
        std::vector<std::uint8_t> expected;
        for (const KernelTable* table : runnable_tables().subspan(1)) {
          SCOPED_TRACE(fmt::format("{}, groups of {}, {} inputs", table->name, group, count));
          const bool is_vnni = table->name == "avx512vnni";
          if (form == InputForm::kBf16 && is_vnni && has_bf16_dot()) continue;  // as they are
          std::vector<std::uint8_t> prepared(digit_bytes(count, group, form));
          table->prepare_input(input.data(), count, group, form, prepared.data());
          if (expected.empty()) expected = prepared;
          EXPECT_EQ(prepared, expected);
        }
        EXPECT_FALSE(expected.empty());
      }
    }
  }
}

/// One digit is the nearest step, at both ends of the range and in the short last group. Steps are the
/// smallest eighths of a power of two that reach the largest input.
TEST(PrepareInput, OneDigitRestoresTheInputToHalfAStep) {
  for (const KernelTable* table : runnable_tables().subspan(1)) {
    SCOPED_TRACE(table->name);
    constexpr std::size_t kCount = 100, kGroup = 64;
    std::vector<float> input = testing_support::random_normal(kCount, 13);
    input[5] = 127.0f * 1.375f;  // a step of its own
    input[70] = -9.0f;           // 9/127 is 1.134 / 16: the next step is 1.25 / 16
    const DigitLayout layout(kCount, kGroup, 1);
    std::vector<std::uint8_t> prepared(layout.bytes());
    table->prepare_input(input.data(), kCount, kGroup, InputForm::kOneDigit, prepared.data());
    const auto* digits = reinterpret_cast<const std::int8_t*>(prepared.data());
    const auto* scales =
        reinterpret_cast<const float*>(prepared.data() + layout.scales_offset());
    const auto* sums = reinterpret_cast<const float*>(prepared.data() + layout.sums_offset());
    EXPECT_EQ(scales[0], 1.375f);
    EXPECT_EQ(scales[1], 1.25f / 16.0f);
    EXPECT_EQ(digits[5], 127);
    EXPECT_EQ(digits[70], -115);  // 9 / 1.25 · 16 = 115.2
    for (std::size_t group = 0; group < layout.num_groups; ++group) {
      double sum = 0.0;
      for (std::size_t i = 0; i < kGroup; ++i) {
        const std::size_t at = group * kGroup + i;
        sum += digits[at];
        EXPECT_NEAR(digits[at] * static_cast<double>(scales[group]),
                    at < kCount ? static_cast<double>(input[at]) : 0.0,
                    static_cast<double>(scales[group]) * (0.5 + 1e-4));
      }
      EXPECT_EQ(sums[group], sum);
    }
  }
}

/// Where the scale of one digit ends: too small is 0, too large is the largest, and tables agree.
TEST(PrepareInput, OneDigitHasASmallestAndALargestScale) {
  constexpr std::size_t kGroup = 32;
  const DigitLayout layout(3 * kGroup, kGroup, 1);
  std::vector<float> input(3 * kGroup, 0.0f);
  input[1] = 126.0f * 0x1p-62f;
  input[kGroup + 1] = 127.0f * 0x1p-62f;
  input[2 * kGroup + 1] = -3e38f;
  input[2 * kGroup + 2] = 0x1p62f;
  const float expected[] = {0.0f, 127.0f * 0x1p-62f, -127.0f * 0x1p62f, 0x1p62f};
  for (const KernelTable* table : runnable_tables()) {
    SCOPED_TRACE(table->name);
    std::vector<std::uint8_t> prepared(
        table->prepared_bytes(3 * kGroup, kGroup, InputForm::kOneDigit));
    table->prepare_input(input.data(), 3 * kGroup, kGroup, InputForm::kOneDigit,
                         prepared.data());
    const auto* values = reinterpret_cast<const float*>(prepared.data());
    const auto* digits = reinterpret_cast<const std::int8_t*>(prepared.data());
    const auto* scales =
        reinterpret_cast<const float*>(prepared.data() + layout.scales_offset());
    std::size_t next = 0;
    for (const std::size_t at : {std::size_t{1}, kGroup + 1, 2 * kGroup + 1, 2 * kGroup + 2}) {
      const float value =
          table->name == "scalar" ? values[at] : digits[at] * scales[at / kGroup];
      EXPECT_EQ(value, expected[next++]) << at;
    }
  }
}

/// What the bytes of a bf16 input stand for, in the order of the inputs, and its sums of groups.
struct Restored {
  std::vector<double> values{};
  std::vector<double> sums{};
};

Restored restore_bf16(const std::vector<std::uint8_t>& prepared, std::size_t count,
                      std::size_t group) {
  const Bf16Layout layout(count, group);
  const auto* values = reinterpret_cast<const std::uint16_t*>(prepared.data());
  const auto* sums = reinterpret_cast<const float*>(prepared.data() + layout.sums_offset());
  constexpr std::size_t kPlaces[] = {0, 2, 1, 3};
  Restored restored;
  for (std::size_t i = 0; i < layout.num_groups * group; ++i) {
    restored.values.push_back(
        static_cast<double>(bf16_to_float(values[i / 4 * 4 + kPlaces[i % 4]])));
  }
  for (std::size_t i = 0; i < layout.num_groups; ++i) {
    restored.sums.push_back(static_cast<double>(sums[i]));
  }
  return restored;
}

/// The same from two digits.
Restored restore_digits(const std::vector<std::uint8_t>& prepared, std::size_t count,
                        std::size_t group) {
  const DigitLayout layout(count, group, 2);
  const auto* digits = reinterpret_cast<const std::int8_t*>(prepared.data());
  const auto* scales = reinterpret_cast<const float*>(prepared.data() + layout.scales_offset());
  const auto* sums = reinterpret_cast<const float*>(prepared.data() + layout.sums_offset());
  Restored restored;
  for (std::size_t i = 0; i < layout.num_groups * group; ++i) {
    const std::int8_t* at = digits + 2 * (i / group * group) + i % group;
    restored.values.push_back((128.0 * at[0] + at[group]) *
                              static_cast<double>(scales[i / group]));
  }
  for (std::size_t i = 0; i < layout.num_groups; ++i) {
    restored.sums.push_back(static_cast<double>(sums[i]) * static_cast<double>(scales[i]));
  }
  return restored;
}

/// bf16 has 8 bits of each value, ties go to the even one, and what is missing in the last group is 0.
/// The scalar table keeps these values, others as bf16 or as two digits of them.
TEST(PrepareInput, Bf16IsTheNearestOne) {
  constexpr std::size_t kCount = 101, kGroup = 64;
  std::vector<float> input = testing_support::random_normal(kCount, 13);
  input[2] = 1.0f + 0x1p-8f;             // between 1 and 1 + 2^-7: the even one is 1
  input[3] = -1.0f - 3 * 0x1p-8f;        // between 1 + 2^-7 and 1 + 2^-6: the even one is below
  input[4] = 1.0f + 0x1p-8f + 0x1p-20f;  // above the middle
  input[100] = 5.0f - 0x1p-22f * 4;      // rounds up to 5
  std::vector<double> expected(2 * kGroup, 0.0);
  for (std::size_t i = 0; i < kCount; ++i) {
    int exponent = 0;
    const double fraction = std::frexp(static_cast<double>(input[i]), &exponent);
    expected[i] = std::ldexp(std::nearbyint(std::ldexp(fraction, 8)), exponent - 8);
  }
  EXPECT_EQ(expected[2], 1.0);
  EXPECT_EQ(expected[3], -1.0 - 0x1p-6);
  EXPECT_EQ(expected[4], 1.0 + 0x1p-7);
  for (const KernelTable* table : runnable_tables()) {
    SCOPED_TRACE(table->name);
    std::vector<std::uint8_t> prepared(table->prepared_bytes(kCount, kGroup, InputForm::kBf16));
    table->prepare_input(input.data(), kCount, kGroup, InputForm::kBf16, prepared.data());
    if (table->name == "scalar") {
      const auto* values = reinterpret_cast<const float*>(prepared.data());
      for (std::size_t i = 0; i < 2 * kGroup; ++i)
        EXPECT_EQ(static_cast<double>(values[i]), expected[i]);
      continue;
    }
    const bool is_bf16 = table->name == "avx512vnni" && has_bf16_dot();
    const Restored restored = is_bf16 ? restore_bf16(prepared, kCount, kGroup)
                                      : restore_digits(prepared, kCount, kGroup);
    for (std::size_t group = 0; group < 2; ++group) {
      double largest = 0.0, sum = 0.0, magnitudes = 0.0;
      for (std::size_t i = group * kGroup; i < (group + 1) * kGroup; ++i) {
        largest = std::max(largest, std::abs(expected[i]));
        sum += restored.values[i];
        magnitudes += std::abs(restored.values[i]);
      }
      // Digits: half of 1 / 16319 of the largest, and a scale rounded to fp32. bf16: nothing.
      const double allowed = is_bf16 ? 0.0 : largest / 32638.0 * 1.004;
      for (std::size_t i = group * kGroup; i < (group + 1) * kGroup; ++i)
        EXPECT_NEAR(restored.values[i], expected[i], allowed) << i;
      // Sums of 64 values in fp32: at most 8 additions to each, 2^-24 of all of them each time.
      EXPECT_NEAR(restored.sums[group], sum, 8.0 * std::ldexp(magnitudes, -24));
    }
  }
}

/// As the names in options say; anything else is refused with what is possible.
TEST(InputForm, HasThreeNames) {
  EXPECT_EQ(input_form_named("16").value(), InputForm::kTwoDigits);
  EXPECT_EQ(input_form_named("8").value(), InputForm::kOneDigit);
  EXPECT_EQ(input_form_named("bf16").value(), InputForm::kBf16);
  for (const char* name : {"", "4", "BF16", "fp16", "016"}) {
    const auto refused = input_form_named(name);
    ASSERT_FALSE(refused.has_value()) << name;
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(refused.error().message.find("expected 16, 8 or bf16"), std::string::npos);
  }
}

}  // namespace
}  // namespace trine::kernels
