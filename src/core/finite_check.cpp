#include "core/finite_check.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace trine {
namespace {

/// A value is infinite or NaN exactly when all bits of its exponent are set. Whole blocks are
/// tested without leaving early, which the compiler turns into vector code.
template <class Bits>
std::optional<std::size_t> find_full_exponent(std::span<const std::uint8_t> bytes,
                                              Bits exponent) {
  constexpr std::size_t kBlock = 2048;
  std::array<Bits, kBlock> block{};
  const std::size_t count = bytes.size() / sizeof(Bits);
  for (std::size_t start = 0; start < count; start += kBlock) {
    const std::size_t length = std::min(kBlock, count - start);
    std::memcpy(block.data(), bytes.data() + start * sizeof(Bits), length * sizeof(Bits));
    std::fill(block.begin() + static_cast<std::ptrdiff_t>(length), block.end(), Bits{0});
    Bits found = 0;
    for (const Bits value : block) found |= static_cast<Bits>((value & exponent) == exponent);
    if (found == 0) continue;
    const auto first = std::find_if(block.begin(), block.end(), [exponent](Bits value) {
      return (value & exponent) == exponent;
    });
    return start + static_cast<std::size_t>(first - block.begin());
  }
  return std::nullopt;
}

template <class Bits>
std::size_t count_full_exponents(std::span<const std::uint8_t> bytes, Bits exponent) {
  std::size_t count = 0;
  for (std::size_t offset = 0; offset + sizeof(Bits) <= bytes.size(); offset += sizeof(Bits)) {
    Bits value = 0;
    std::memcpy(&value, bytes.data() + offset, sizeof(Bits));
    count += (value & exponent) == exponent ? 1 : 0;
  }
  return count;
}

bool is_float(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16;
}

}  // namespace

std::optional<std::size_t> find_nonfinite(const TensorView& tensor) {
  switch (tensor.dtype) {
    case DType::kF32: return find_full_exponent<std::uint32_t>(tensor.bytes, 0x7F800000u);
    case DType::kF16: return find_full_exponent<std::uint16_t>(tensor.bytes, 0x7C00u);
    case DType::kBF16: return find_full_exponent<std::uint16_t>(tensor.bytes, 0x7F80u);
    default: break;
  }
  throw InvariantError("find_nonfinite: the tensor is not F32, F16 or BF16");
}

Status require_finite(std::string_view name, const TensorView& tensor) {
  if (!is_float(tensor.dtype)) return {};
  const auto index = find_nonfinite(tensor);
  if (!index) return {};
  return fail(ErrorCode::kMalformed, "{}: element {} is infinite or not a number", name,
              *index);
}

std::size_t count_nonfinite(const TensorView& tensor) {
  switch (tensor.dtype) {
    case DType::kF32: return count_full_exponents<std::uint32_t>(tensor.bytes, 0x7F800000u);
    case DType::kF16: return count_full_exponents<std::uint16_t>(tensor.bytes, 0x7C00u);
    case DType::kBF16: return count_full_exponents<std::uint16_t>(tensor.bytes, 0x7F80u);
    default: return 0;
  }
}

std::size_t replace_nonfinite(std::span<float> values) {
  std::size_t count = 0;
  for (float& value : values) {
    if (std::isfinite(value)) continue;
    value = 0.0f;
    ++count;
  }
  return count;
}

}  // namespace trine
