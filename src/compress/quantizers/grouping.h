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

/// Checks options and weights' size and makes room for the result.
/// kInvalidArgument for bits or group sizes the packed format does not know; kUnsupported, with
/// the value, for weights beyond kLargestWeight.
[[nodiscard]] Result<QuantizedMatrix> start_matrix(MatrixView weights,
                                                   const QuantizerOptions& options);

/// Calls `visit(GroupView)` for the groups of one row in order.
template <class Visit>
void for_each_group(MatrixView weights, QuantizedMatrix& matrix, std::size_t row, Visit visit) {
  for (std::size_t group = 0; group < matrix.num_groups(); ++group) {
    const std::size_t first = group * matrix.group_size;
    const std::size_t count = std::min(matrix.group_size, matrix.cols - first);
    const std::size_t index = row * matrix.num_groups() + group;
    visit(GroupView{
        weights.row(row).subspan(first, count),
        std::span<std::uint8_t>(matrix.codes).subspan(row * matrix.cols + first, count),
        matrix.scales[index], matrix.zeros[index]});
  }
}

}  // namespace trine::compress
