// How exactly the inputs of packed weights are kept.
#pragma once

#include <string_view>

#include "base/result.h"

namespace trine::kernels {

/// What a prepared input stands for. The scalar table defines each; see KernelTable::prepare_input.
enum class InputForm {
  kOneDigit,   ///< the nearest of 113 to 127 steps on either side of zero, per group
  kTwoDigits,  ///< finer than fp16: 16319 steps on either side of zero, per group
  kBf16,       ///< the nearest bf16, ties to even
};

/// int8 digits per value where a form is kept as digits: bf16 is kept as two where the processor has
/// no dot products of bf16.
[[nodiscard]] constexpr int digits_of(InputForm form) noexcept {
  return form == InputForm::kOneDigit ? 1 : 2;
}

/// "16" (two digits), "8" (one digit) or "bf16". kInvalidArgument for anything else.
[[nodiscard]] Result<InputForm> input_form_named(std::string_view name);

}  // namespace trine::kernels
