#include "kernels/exponential.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "kernels/lanes.h"

namespace trine::kernels {
namespace {

using Integers = std::int32_t __attribute__((vector_size(64)));

/// Whole vectors. e^x is 2^n · e^r with n = round(x / ln 2) and e^r by its Taylor series to r^7,
/// which for |r| ≤ 0.347 ends 1e-8 below.
TRINE_EVERY_WIDTH void exponentiate_lanes(float* values, std::size_t count) noexcept {
  const Lanes nothing = {};
  const Lanes most = nothing + 87.0f, one = nothing + 1.0f, magic = nothing + 0x1.8p23f;
  for (std::size_t i = 0; i + kLanes <= count; i += kLanes) {
    Lanes x;
    std::memcpy(&x, values + i, sizeof x);
    x = x > most ? most : x;
    x = x < -most ? -most : x;
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
    const Lanes result = series * power;
    std::memcpy(values + i, &result, sizeof result);
  }
}

/// Of whole vectors and at least one.
TRINE_EVERY_WIDTH float largest_lanes(const float* values, std::size_t count) noexcept {
  Lanes largest;
  std::memcpy(&largest, values, sizeof largest);
  for (std::size_t i = kLanes; i + kLanes <= count; i += kLanes) {
    Lanes next;
    std::memcpy(&next, values + i, sizeof next);
    largest = next > largest ? next : largest;
  }
  return largest_of_lanes(largest);
}

TRINE_EVERY_WIDTH float sum_lanes(const float* values, std::size_t count) noexcept {
  Lanes sums = {};
  for (std::size_t i = 0; i + kLanes <= count; i += kLanes) {
    Lanes next;
    std::memcpy(&next, values + i, sizeof next);
    sums += next;
  }
  return sum_of_lanes(sums);
}

TRINE_EVERY_WIDTH void shift_all(float* values, std::size_t count, float shift) noexcept {
  for (std::size_t i = 0; i < count; ++i) values[i] -= shift;
}

TRINE_EVERY_WIDTH void divide_all(float* values, std::size_t count, float divisor) noexcept {
  for (std::size_t i = 0; i < count; ++i) values[i] /= divisor;
}

/// The first whole vector that has the value, or the end of them.
TRINE_EVERY_WIDTH std::size_t find_lanes(const float* values, std::size_t count,
                                         float wanted) noexcept {
  std::size_t i = 0;
  for (; i + 4 * kLanes <= count; i += 4 * kLanes) {
    int found = 0;
    for (std::size_t lane = 0; lane < 4 * kLanes; ++lane) {
      found |= static_cast<int>(values[i + lane] == wanted);
    }
    if (found != 0) break;
  }
  return i;
}

}  // namespace

void exponentiate(float* values, std::size_t count) noexcept {
  const std::size_t whole = count / kLanes * kLanes;
  exponentiate_lanes(values, whole);
  if (whole == count) return;
  float rest[kLanes] = {};  // the same arithmetic for the last few
  std::memcpy(rest, values + whole, (count - whole) * sizeof(float));
  exponentiate_lanes(rest, kLanes);
  std::memcpy(values + whole, rest, (count - whole) * sizeof(float));
}

std::size_t largest_index(const float* values, std::size_t count) noexcept {
  const std::size_t whole = count / kLanes * kLanes;
  float largest = values[0];
  if (whole > 0) largest = largest_lanes(values, whole);
  for (std::size_t i = whole; i < count; ++i) largest = std::max(largest, values[i]);
  const float* end = values + count;
  const float* found = std::find(values + find_lanes(values, whole, largest), end, largest);
  // Among NaN nothing is equal to itself.
  if (found == end) found = std::max_element(values, end);
  return static_cast<std::size_t>(found - values);
}

void softmax(float* scores, std::size_t count, float sink) noexcept {
  const std::size_t whole = count / kLanes * kLanes;
  float largest = sink;
  if (whole > 0) largest = std::max(largest, largest_lanes(scores, whole));
  for (std::size_t i = whole; i < count; ++i) largest = std::max(largest, scores[i]);
  shift_all(scores, count, largest);
  exponentiate(scores, count);
  float sum = std::exp(sink - largest) + sum_lanes(scores, whole);
  for (std::size_t i = whole; i < count; ++i) sum += scores[i];
  divide_all(scores, count, sum);
}

}  // namespace trine::kernels
