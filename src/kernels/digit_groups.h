// The walk over the groups of one token's inputs that prepare_input makes in every table of digits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/packed_matrix.h"
#include "kernels/digit_layout.h"
#include "kernels/input_form.h"

namespace trine::kernels {

/// Groups side by side: values in, digits_of(form) · size digits, a scale and a sum each out.
struct DigitGroups {
  const float* values;
  std::size_t size, count;
  std::int8_t* digits;
  float *scales, *sums;
};

/// Calls split(groups) for the whole groups of the input, then for the short last one, padded with zeros. With bf16
/// inputs it is called for each group, after round(values, group_size, rounded).
template <class Round, class Split>
void prepare_digit_groups(const float* input, std::size_t in_features, std::size_t group_size,
                          InputForm form, std::uint8_t* prepared, Round round,
                          Split split) noexcept {
  const DigitLayout layout(in_features, group_size, digits_of(form));
  auto* scales = reinterpret_cast<float*>(prepared + layout.scales_offset());
  auto* sums = reinterpret_cast<float*>(prepared + layout.sums_offset());
  const auto groups = [&](const float* values, std::size_t first, std::size_t count) {
    auto* digits =
        reinterpret_cast<std::int8_t*>(prepared + layout.num_digits * first * group_size);
    return DigitGroups{values, group_size, count, digits, scales + first, sums + first};
  };
  const bool is_rounded = form == InputForm::kBf16;
  const std::size_t whole = is_rounded ? 0 : in_features / group_size;
  if (whole > 0) split(groups(input, 0, whole));
  for (std::size_t group = whole; group < layout.num_groups; ++group) {
    const std::size_t first = group * group_size, left = in_features - first;
    alignas(kLineBytes) float padded[kMostGroupSize] = {};
    std::memcpy(padded, input + first, (left < group_size ? left : group_size) * sizeof(float));
    if (is_rounded) round(padded, group_size, padded);
    split(groups(padded, group, 1));
  }
}

}  // namespace trine::kernels
