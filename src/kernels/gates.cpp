#include "kernels/gates.h"

#include <cstdint>

#include "kernels/lanes.h"

namespace trine::kernels {
namespace {

using Integers = std::int32_t __attribute__((vector_size(64)));

/// Sixteen values at a time; values and their results may be the same memory. e^x is 2^n · e^r with
/// n = round(x / ln 2) and e^r by its Taylor series to r^7, which for |r| ≤ 0.347 ends 1e-8 below.
TRINE_EVERY_WIDTH void silu_lanes(float* gate, const float* up, std::size_t count) noexcept {
  const Lanes nothing = {};
  const Lanes most = nothing + 87.0f, one = nothing + 1.0f, magic = nothing + 0x1.8p23f;
  for (std::size_t i = 0; i + kLanes <= count; i += kLanes) {
    Lanes value;
    std::memcpy(&value, gate + i, sizeof value);
    Lanes x = -value;
    x = x < most ? x : most;
    x = x > -most ? x : -most;
    const Lanes turns = (x * 0x1.715476p+0f + magic) - magic;  // 1 / ln 2
    // ln 2 in two parts: the first has zeros at its end, so that its multiple is exact.
    const Lanes r = (x - turns * 0x1.62e4p-1f) - turns * 0x1.7f7d1cp-20f;
    Lanes series = nothing + 1.0f / 5040.0f;
    series = series * r + 1.0f / 720.0f;
    series = series * r + 1.0f / 120.0f;
    series = series * r + 1.0f / 24.0f;
    series = series * r + 1.0f / 6.0f;
    series = series * r + 0.5f;
    series = series * r + one;
    series = series * r + one;
    const Integers exponent = (__builtin_convertvector(turns, Integers) + 127) << 23;
    Lanes power;
    std::memcpy(&power, &exponent, sizeof power);
    Lanes result = value / (one + series * power);
    if (up != nullptr) {
      Lanes factor;
      std::memcpy(&factor, up + i, sizeof factor);
      result *= factor;
    }
    std::memcpy(gate + i, &result, sizeof result);
  }
}

}  // namespace

void apply_silu(float* gate, const float* up, std::size_t count) noexcept {
  const std::size_t whole = count / kLanes * kLanes;
  silu_lanes(gate, up, whole);
  if (whole == count) return;
  float rest[kLanes] = {}, factors[kLanes] = {};  // the same arithmetic for the last few
  std::memcpy(rest, gate + whole, (count - whole) * sizeof(float));
  if (up != nullptr) std::memcpy(factors, up + whole, (count - whole) * sizeof(float));
  silu_lanes(rest, up != nullptr ? factors : nullptr, kLanes);
  std::memcpy(gate + whole, rest, (count - whole) * sizeof(float));
}

}  // namespace trine::kernels
