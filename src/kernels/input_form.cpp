// The names that users give to forms of inputs.
#include "kernels/input_form.h"

namespace trine::kernels {

Result<InputForm> input_form_named(std::string_view name) {
  if (name == "16") return InputForm::kTwoDigits;
  if (name == "8") return InputForm::kOneDigit;
  if (name == "bf16") return InputForm::kBf16;
  return fail(ErrorCode::kInvalidArgument, "activations is \"{}\", expected 16, 8 or bf16",
              name);
}

}  // namespace trine::kernels
