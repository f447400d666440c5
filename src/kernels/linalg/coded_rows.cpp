// Written twice: g++ 12 makes ten instructions of the widening of sixteen bytes that AVX-512 does
// in one, and the narrowing of the residual likewise (54 instead of 12 ms for 59 million weights).
#include "kernels/linalg/coded_rows.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels/avx512_intrinsics.h"
#include "kernels/lanes.h"
#include "kernels/linalg/bf16_matrix.h"

namespace trine::kernels {
namespace {

/// Calls visit(first, last, scale, zero) for the groups of a row.
template <class Visit>
[[gnu::always_inline]] inline void for_each_group(const CodedRow& row, Visit visit) {
  std::size_t index = 0;
  for (std::size_t first = 0; first < row.count; first += row.group_size, ++index) {
    visit(first, std::min(row.count, first + row.group_size), row.scales[index],
          row.zeros[index]);
  }
}

/// What is behind the last whole register of a group, one by one.
float leave_last(const float* weights, const float* rest, const CodedRow& row,
                 std::size_t first, std::size_t last, float relaxation,
                 std::uint16_t* residual) noexcept {
  if (first == last) return 0.0f;
  const float scale = row.scales[first / row.group_size];
  const float zero = row.zeros[first / row.group_size];
  float sum = 0.0f;
  for (std::size_t i = first; i < last; ++i) {
    const float number = (static_cast<float>(row.codes[i]) - zero) * scale;
    const float difference = rest[i] - number;
    sum += difference * difference;
    if (residual == nullptr) continue;
    const float left = (weights[i] - number) + relaxation * difference;
    narrow_to_bf16(&left, 1, residual + i);
  }
  return sum;
}

// ---- every processor ---------------------------------------------------------------------------

double leave_residual(const float* weights, const float* rest, const CodedRow& row,
                      float relaxation, std::uint16_t* residual) noexcept {
  double total = 0.0;
  for_each_group(row, [&](std::size_t first, std::size_t last, float scale, float zero) {
    Lanes sums = {};
    std::size_t i = first;
    for (; i + kLanes <= last; i += kLanes) {
      float left[kLanes];
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        const float number = (static_cast<float>(row.codes[i + lane]) - zero) * scale;
        const float difference = rest[i + lane] - number;
        sums[lane] += difference * difference;
        left[lane] =
            residual == nullptr ? 0.0f : (weights[i + lane] - number) + relaxation * difference;
      }
      if (residual != nullptr) narrow_to_bf16(left, kLanes, residual + i);
    }
    total += static_cast<double>(sum_of_lanes(sums) +
                                 leave_last(weights, rest, row, i, last, relaxation, residual));
  });
  return total;
}

double squared_error(const float* rest, const CodedRow& row) noexcept {
  return leave_residual(nullptr, rest, row, 0.0f, nullptr);
}

void narrow_codes(const std::int32_t* codes, std::size_t count, std::uint8_t* bytes) noexcept {
  for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::uint8_t>(codes[i]);
}

constexpr CodedRowLoops kEverywhere{"every", squared_error, leave_residual, narrow_codes};

// ---- AVX-512 -----------------------------------------------------------------------------------

#define TRINE_TARGET_WIDE __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq")))
#define TRINE_INLINE_WIDE \
  __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq"), always_inline)) inline

TRINE_INLINE_WIDE __m512 numbers_of(const std::uint8_t* codes, __m512 scale, __m512 zero) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(codes));
  const __m512 wide = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes));
  return _mm512_mul_ps(_mm512_sub_ps(wide, zero), scale);
}

TRINE_INLINE_WIDE __m256i bf16_of(__m512 values) {
  const __m512i bits = _mm512_castps_si512(values);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded =
      _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF)));
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16));
}

TRINE_INLINE_WIDE float sum_of(__m512 values) {
  Lanes lanes;
  std::memcpy(&lanes, &values, sizeof lanes);
  return sum_of_lanes(lanes);
}

/// squared_error, and leave_residual as well where kLeaves.
template <bool kLeaves>
TRINE_TARGET_WIDE double visit_wide(const float* weights, const float* rest,
                                    const CodedRow& row, float relaxation,
                                    std::uint16_t* residual) noexcept {
  const __m512 relaxed = _mm512_set1_ps(relaxation);
  double total = 0.0;
  std::size_t index = 0;
  for (std::size_t first = 0; first < row.count; first += row.group_size, ++index) {
    const std::size_t last = std::min(row.count, first + row.group_size);
    const __m512 scale = _mm512_set1_ps(row.scales[index]);
    const __m512 zero = _mm512_set1_ps(row.zeros[index]);
    __m512 sums = _mm512_setzero_ps();
    std::size_t i = first;
    for (; i + kLanes <= last; i += kLanes) {
      const __m512 number = numbers_of(row.codes + i, scale, zero);
      const __m512 difference = _mm512_sub_ps(_mm512_loadu_ps(rest + i), number);
      sums = _mm512_add_ps(sums, _mm512_mul_ps(difference, difference));
      if constexpr (kLeaves) {
        // Past the caches: the residual is longer than they are, and reading lines that are about
        // to be overwritten would be a third of this loop's traffic.
        _mm256_stream_si256(
            reinterpret_cast<__m256i*>(residual + i),
            bf16_of(_mm512_add_ps(_mm512_sub_ps(_mm512_loadu_ps(weights + i), number),
                                  _mm512_mul_ps(relaxed, difference))));
      }
    }
    float sum = sum_of(sums);
    if (i < last) sum += leave_last(weights, rest, row, i, last, relaxation, residual);
    total += static_cast<double>(sum);
  }
  return total;
}

double squared_error_wide(const float* rest, const CodedRow& row) noexcept {
  return visit_wide<false>(nullptr, rest, row, 0.0f, nullptr);
}

TRINE_TARGET_WIDE void narrow_codes_wide(const std::int32_t* codes, std::size_t count,
                                         std::uint8_t* bytes) noexcept {
  for (std::size_t i = 0; i < count; i += kLanes) {
    const __m128i narrow = _mm512_cvtepi32_epi8(_mm512_loadu_si512(codes + i));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(bytes + i), narrow);
  }
}

constexpr CodedRowLoops kWide{"avx512", squared_error_wide, visit_wide<true>,
                              narrow_codes_wide};

}  // namespace

std::span<const CodedRowLoops* const> runnable_coded_row_loops() {
  static const std::vector<const CodedRowLoops*> found = [] {
    std::vector<const CodedRowLoops*> list{&kEverywhere};
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) {
      list.push_back(&kWide);
    }
    return list;
  }();
  return found;
}

}  // namespace trine::kernels
