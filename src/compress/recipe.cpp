#include "compress/recipe.h"

#include <charconv>

#include "compress/quantizers/quantizer.h"
#include "core/packed_matrix.h"

namespace trine::compress {

Result<MatrixPlan> parse_preset(std::string_view preset, std::size_t group_size) {
  constexpr std::string_view kSuffix = "bit";
  const std::size_t dash = preset.rfind('-');
  int bits = 0;
  bool has_bits = dash != std::string_view::npos && preset.ends_with(kSuffix);
  if (has_bits) {
    const std::string_view digits =
        preset.substr(dash + 1, preset.size() - dash - 1 - kSuffix.size());
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    has_bits = error == std::errc{} && end == digits.data() + digits.size();
  }
  if (!has_bits) {
    return fail(ErrorCode::kInvalidArgument,
                "preset \"{}\" is not known; expected <quantizer>-<bits>bit, for example "
                "\"hqq-3bit\"",
                preset);
  }
  const MatrixPlan recipe{
      .quantizer = std::string(preset.substr(0, dash)), .bits = bits, .group_size = group_size};
  TRINE_RETURN_IF_ERROR(quantizer_named(recipe.quantizer));
  if (!is_packable(bits, group_size)) {
    return fail(ErrorCode::kInvalidArgument,
                "preset \"{}\" in groups of {}: expected 2, 3, 4, 5, 6 or 8 bits in groups of "
                "32, 64 or 128",
                preset, group_size);
  }
  return recipe;
}

}  // namespace trine::compress
