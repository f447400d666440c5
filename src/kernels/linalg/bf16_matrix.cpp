#include "kernels/linalg/bf16_matrix.h"

#include <cpuid.h>

#include <algorithm>
#include <bit>
#include <new>

#include "base/huge_pages.h"
#include "kernels/lanes.h"

namespace trine::kernels {
namespace {

constexpr std::size_t kLine = 32;  // elements of a cache line

}  // namespace

void Bf16Matrix::reshape(std::size_t rows, std::size_t cols) {
  if (rows == rows_ && cols == cols_) return;
  rows_ = rows;
  cols_ = cols;
  stride_ = ((cols + kLine - 1) / kLine | 1) * kLine;
  const std::size_t wanted = (rows + rows % 2) * stride_;
  if (wanted > capacity_) {
    // Huge pages: a column of small ones costs a walk through the page table for every row.
    constexpr std::size_t kHugePage = std::size_t{1} << 21;
    const std::size_t bytes = (2 * wanted + kHugePage - 1) / kHugePage * kHugePage;
    values_.reset(static_cast<std::uint16_t*>(std::aligned_alloc(kHugePage, bytes)));
    if (values_ == nullptr) throw std::bad_alloc();
    base::advise_huge_pages(values_.get(), bytes);
    capacity_ = wanted;
  }
  for (std::size_t index = 0; index < rows; ++index) {
    std::fill(row(index) + cols, row(index) + stride_, std::uint16_t{0});
  }
  if (rows % 2 == 1) std::fill(row(rows), row(rows) + stride_, std::uint16_t{0});
}

void Bf16Matrix::assign(MatrixView values, int threads) {
  reshape(values.rows, values.cols);
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t index = 0; index < values.rows; ++index) {
    narrow_to_bf16(values.row(index).data(), values.cols, row(index));
  }
}

TRINE_EVERY_WIDTH void narrow_to_bf16(const float* values, std::size_t count,
                                      std::uint16_t* narrow) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    const auto bits = std::bit_cast<std::uint32_t>(values[i]);
    narrow[i] = static_cast<std::uint16_t>((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
  }
}

bool has_bf16_dot() noexcept {
  // Asked once: kernels want to know at every call, and a virtual machine leaves itself for cpuid.
  static const bool answer = [] {
    // Read from the processor itself: __builtin_cpu_supports of Clang 14 does not know the name.
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    constexpr unsigned kBf16 = 1u << 5;  // leaf 7, subleaf 1
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax & kBf16) != 0;
  }();
  return answer;
}

}  // namespace trine::kernels
