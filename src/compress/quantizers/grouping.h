// Walking a matrix group by group, the same way for every quantizer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"
#include "compress/quantizers/quantizer.h"
#include "core/matrix_view.h"
#include "core/quantized_matrix.h"

namespace trine::compress {

/// One group of one row: what to read and where to write.
struct GroupView {
  std::span<const float> weights;
  std::span<std::uint8_t> codes;
  float& scale;
  float& zero;
};

/// Makes room for codes, scales and zeros in `matrix`, whose memory is kept when it is enough.
/// kInvalidArgument for bits or group sizes the packed format does not know.
[[nodiscard]] Status make_room(MatrixView weights, const QuantizerOptions& options,
                               QuantizedMatrix& matrix);

/// kUnsupported, with the value, for a weight beyond kLargestWeight.
[[nodiscard]] Status check_size(float weight);

/// Checks options and weights' size and makes room for the result.
/// kInvalidArgument for bits or group sizes the packed format does not know; kUnsupported, with
/// the value, for weights beyond kLargestWeight.
[[nodiscard]] Result<QuantizedMatrix> start_matrix(MatrixView weights,
                                                   const QuantizerOptions& options);

/// The group of row `row` of the panel that is its `index`-th, and where it lies in `matrix`.
[[nodiscard]] inline GroupView group_of(const Panel& panel, QuantizedMatrix& matrix,
                                        std::size_t row, std::size_t index) {
  const std::size_t first = index * matrix.group_size;
  const std::size_t count = std::min(matrix.group_size, panel.weights.cols - first);
  const std::size_t matrix_row = panel.first_row + row;
  const std::size_t at =
      matrix_row * matrix.num_groups() + panel.first_col / matrix.group_size + index;
  return {panel.weights.row(row).subspan(first, count),
          std::span<std::uint8_t>(matrix.codes)
              .subspan(matrix_row * matrix.cols + panel.first_col + first, count),
          matrix.scales[at], matrix.zeros[at]};
}

/// Calls `visit(GroupView)` for the groups of one row in order.
template <class Visit>
void for_each_group(const Panel& panel, QuantizedMatrix& matrix, std::size_t row, Visit visit) {
  const std::size_t groups = (panel.weights.cols + matrix.group_size - 1) / matrix.group_size;
  for (std::size_t index = 0; index < groups; ++index) {
    visit(group_of(panel, matrix, row, index));
  }
}

}  // namespace trine::compress
