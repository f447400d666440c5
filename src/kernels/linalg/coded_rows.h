// Rows of codes against rows of numbers: the inner loops of compression between the quantizer and
// the low-rank factors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace trine::kernels {

/// Some columns of a row of a QuantizedMatrix, beginning with a group.
struct CodedRow {
  const std::uint8_t* codes = nullptr;
  const float* scales = nullptr;  ///< of its groups
  const float* zeros = nullptr;
  std::size_t group_size = 64;
  std::size_t count = 0;  ///< columns
};

/// The loops for one instruction set. Sums are those of 16 lanes in fp32 over a group, of groups in
/// double: the same on every table.
struct CodedRowLoops {
  std::string_view name;

  /// Σ (rest − ŵ)², ŵ the numbers of the codes.
  double (*squared_error)(const float* rest, const CodedRow& row) noexcept;

  /// The same, and residual = the nearest bf16 of (weights − ŵ) + relaxation · (rest − ŵ).
  double (*leave_residual)(const float* weights, const float* rest, const CodedRow& row,
                           float relaxation, std::uint16_t* residual) noexcept;

  /// Whole numbers from 0 to 255 as bytes; `count` is a multiple of 16.
  void (*narrow_codes)(const std::int32_t* codes, std::size_t count,
                       std::uint8_t* bytes) noexcept;
};

/// What this processor can run, the fastest last.
[[nodiscard]] std::span<const CodedRowLoops* const> runnable_coded_row_loops();

}  // namespace trine::kernels
