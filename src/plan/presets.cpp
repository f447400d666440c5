#include "plan/presets.h"

#include <array>
#include <charconv>

namespace trine::plan {
namespace {

struct MiloPreset {
  std::string_view name;
  std::string_view ranks;
};

constexpr std::array kMilo = {
    MiloPreset{"milo-s1", "dense-512+kurtosis-16"},
    MiloPreset{"milo-s2", "dense-1024+kurtosis-32"},
};

constexpr std::string_view kMixed = "expert-mixed-";
constexpr std::string_view kBits = "bit";

/// The whole of `text` as a number.
template <class Number>
std::optional<Number> number_in(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<Preset> uniform_preset(std::string_view name) {
  const std::size_t dash = name.rfind('-');
  if (dash == std::string_view::npos || dash == 0 || !name.ends_with(kBits)) return {};
  const auto bits =
      number_in<int>(name.substr(dash + 1, name.size() - dash - 1 - kBits.size()));
  if (!bits) return {};
  Preset preset;
  preset.inputs.matrix.quantizer = name.substr(0, dash);
  preset.inputs.matrix.bits = *bits;
  return preset;
}

}  // namespace

Result<Preset> parse_preset(std::string_view name) {
  for (const MiloPreset& milo : kMilo) {
    if (milo.name != name) continue;
    Preset preset{.rank_strategy = std::string(milo.ranks), .compensator = "milo-paper"};
    return preset;
  }
  if (name.starts_with(kMixed)) {
    if (const auto average = number_in<double>(name.substr(kMixed.size()))) {
      Preset preset{.allocator = "expert-mixed"};
      preset.inputs.levels = {3, 2};
      preset.inputs.average_bits = *average;
      return preset;
    }
  }
  if (auto preset = uniform_preset(name)) {
    const MatrixPlan& matrix = preset->inputs.matrix;
    if (is_packable(matrix.bits, matrix.group_size)) return std::move(*preset);
    return fail(ErrorCode::kInvalidArgument,
                "preset \"{}\": {} bits, expected 2, 3, 4, 5, 6 or 8", name, matrix.bits);
  }
  return fail(ErrorCode::kInvalidArgument,
              "preset \"{}\" is not known; expected <quantizer>-<bits>bit, for example "
              "\"hqq-3bit\", \"milo-s1\", \"milo-s2\" or expert-mixed-<average bits>, for "
              "example \"expert-mixed-2.5\"",
              name);
}

}  // namespace trine::plan
