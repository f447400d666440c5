// Sixteen floats at a time with the same result on every processor: a lane is a lane whether the
// machine adds four of them in one instruction or sixteen.
#pragma once

#include <cstddef>
#include <cstring>

/// Compiles a function for wide registers too; the processor's best is taken when the program
/// starts. Nothing is contracted to fused operations (see cmake/trine_room.cmake), so all agree.
/// The vectors must be used in the function itself: g++ divides those of a function it inlines for
/// the narrow registers first.
#define TRINE_EVERY_WIDTH __attribute__((target_clones("avx512f", "avx2", "default")))

namespace trine::kernels {

inline constexpr std::size_t kLanes = 16;
using Lanes = float __attribute__((vector_size(64)));

[[gnu::always_inline]] inline void load_lanes(const float* values, Lanes& lanes) {
  std::memcpy(&lanes, values, sizeof lanes);
}

/// The lanes' sum, halves added to halves.
[[gnu::always_inline]] inline float sum_of_lanes(const Lanes& lanes) {
  using Four = float __attribute__((vector_size(16)));
  Four parts[4];
  std::memcpy(parts, &lanes, sizeof parts);
  const Four four = (parts[0] + parts[1]) + (parts[2] + parts[3]);
  return (four[0] + four[1]) + (four[2] + four[3]);
}

/// The largest lane, halves against halves.
[[gnu::always_inline]] inline float largest_of_lanes(const Lanes& lanes) {
  using Four = float __attribute__((vector_size(16)));
  Four parts[4];
  std::memcpy(parts, &lanes, sizeof parts);
  const Four left = parts[0] > parts[1] ? parts[0] : parts[1];
  const Four right = parts[2] > parts[3] ? parts[2] : parts[3];
  const Four four = left > right ? left : right;
  const float first = four[0] > four[1] ? four[0] : four[1];
  const float second = four[2] > four[3] ? four[2] : four[3];
  return first > second ? first : second;
}

}  // namespace trine::kernels
